//! Python calls with literal arguments: `f(1, name='x', points=[(1, 2.5), None])`. Of operators only the product of
//! numbers, `60*60`; no other Python.
//!
//! Tuples become arrays, as they do in JSON.

use serde_json::{Map, Number, Value};

/// A call that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PythonCall {
    /// The function's name; dots may be in it.
    pub function: String,
    /// Arguments without a name.
    pub positional: Vec<Value>,
    /// The others.
    pub named: Map<String, Value>,
}

impl PythonCall {
    /// All arguments by name, given the function's parameter names in order.
    ///
    /// # Errors
    /// When there are more arguments than parameters, or one is there twice.
    pub fn parameters(self, names: &[&str]) -> Result<Map<String, Value>, PythonError> {
        let mut parameters = Map::new();
        for (index, value) in self.positional.into_iter().enumerate() {
            let name = names
                .get(index)
                .ok_or(PythonError::TooMany { takes: names.len() })?;
            parameters.insert((*name).to_owned(), value);
        }
        for (name, value) in self.named {
            if parameters.insert(name.clone(), value).is_some() {
                return Err(PythonError::Twice(name));
            }
        }
        Ok(parameters)
    }
}

/// Why a text is no such call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PythonError {
    /// The text differs from what was expected.
    #[error("expected {expected} at byte {at}")]
    Expected {
        /// What would be right.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// More positional arguments than parameters.
    #[error("more arguments than the {takes} that the function takes")]
    TooMany {
        /// How many there may be.
        takes: usize,
    },
    /// One parameter, two arguments.
    #[error("argument {0} is there twice")]
    Twice(String),
    /// Literals inside one another without end.
    #[error("more than 64 literals lie inside one another")]
    TooDeep,
}

const DEPTH: u32 = 64;

/// Reads one call.
///
/// # Errors
/// When the text is anything else.
pub fn parse_call(text: &str) -> Result<PythonCall, PythonError> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let function = reader
        .name()
        .ok_or_else(|| reader.expected("the name of a function"))?
        .to_owned();
    reader.must_take("(", "'('")?;
    let mut call = PythonCall {
        function,
        positional: Vec::new(),
        named: Map::new(),
    };
    while !reader.takes(")") {
        match reader.keyword() {
            Some(name) => {
                let value = reader.value()?;
                if call.named.insert(name.clone(), value).is_some() {
                    return Err(PythonError::Twice(name));
                }
            }
            None if call.named.is_empty() => call.positional.push(reader.value()?),
            None => return Err(reader.expected("a named argument after named ones")),
        }
        reader.comma_or(")", "',' or ')'")?;
    }
    reader.skip_spaces();
    if reader.at < text.len() {
        Err(reader.expected("the end of the call"))
    } else {
        Ok(call)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, expected: &'static str) -> PythonError {
        PythonError::Expected {
            expected,
            at: self.at,
        }
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn takes(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn must_take(&mut self, token: &str, expected: &'static str) -> Result<(), PythonError> {
        if self.takes(token) {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    /// Takes a comma, or leaves the closing token where it is.
    fn comma_or(&mut self, close: &str, expected: &'static str) -> Result<(), PythonError> {
        if self.takes(",") || self.rest().starts_with(close) {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        self.skip_spaces();
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            .then(|| {
                self.at += end;
                name
            })
    }

    /// A name and its `=`; nothing is taken when there is no such.
    fn keyword(&mut self) -> Option<String> {
        let start = self.at;
        let name = self.name().map(str::to_owned);
        if name.is_some() && self.takes("=") && !self.rest().starts_with('=') {
            return name;
        }
        self.at = start;
        None
    }

    fn value(&mut self) -> Result<Value, PythonError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(PythonError::TooDeep);
        }
        self.skip_spaces();
        let value = match self.rest().bytes().next() {
            Some(b'\'' | b'"') => self.string().map(Value::String),
            Some(b'[') => self
                .sequence("[", "]", "',' or ']'")
                .map(|(values, _)| Value::Array(values)),
            Some(b'(') => self.sequence("(", ")", "',' or ')'").map(|(mut values, comma)| {
                let single = values.len() == 1 && !comma;
                if single {
                    values.remove(0)
                } else {
                    Value::Array(values)
                }
            }),
            Some(b'{') => self.dict(),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => self.product().map(Value::Number),
            _ => match self.name() {
                Some("True") => Ok(Value::Bool(true)),
                Some("False") => Ok(Value::Bool(false)),
                Some("None") => Ok(Value::Null),
                _ => Err(self.expected("a literal")),
            },
        };
        self.depth -= 1;
        value
    }

    /// The values, and whether a comma stands after the last.
    fn sequence(
        &mut self,
        open: &str,
        close: &str,
        expected: &'static str,
    ) -> Result<(Vec<Value>, bool), PythonError> {
        self.must_take(open, "a sequence")?;
        let (mut values, mut comma) = (Vec::new(), false);
        while !self.takes(close) {
            values.push(self.value()?);
            comma = self.takes(",");
            if !comma && !self.rest().starts_with(close) {
                return Err(self.expected(expected));
            }
        }
        Ok((values, comma))
    }

    fn dict(&mut self) -> Result<Value, PythonError> {
        self.must_take("{", "'{'")?;
        let mut object = Map::new();
        while !self.takes("}") {
            self.skip_spaces();
            let key = self.string()?;
            self.must_take(":", "':'")?;
            object.insert(key, self.value()?);
            self.comma_or("}", "',' or '}'")?;
        }
        Ok(Value::Object(object))
    }

    fn product(&mut self) -> Result<Number, PythonError> {
        let mut product = self.number()?;
        while self.takes("*") {
            let at = self.at;
            self.skip_spaces();
            let factor = self.number()?;
            let whole = product
                .as_i64()
                .zip(factor.as_i64())
                .map(|(a, b)| a.checked_mul(b));
            let double = || {
                product
                    .as_f64()
                    .zip(factor.as_f64())
                    .and_then(|(a, b)| Number::from_f64(a * b))
            };
            let value = whole.map_or_else(double, |whole| whole.map(Number::from));
            product = value.ok_or(PythonError::Expected {
                expected: "a product of at most 64 bits",
                at,
            })?;
        }
        Ok(product)
    }

    fn number(&mut self) -> Result<Number, PythonError> {
        let rest = self.rest();
        let mut last = ' ';
        let end = rest.find(|c: char| {
            let sign = matches!(c, '-' | '+') && matches!(last, ' ' | 'e' | 'E');
            last = c;
            !(sign || c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
        });
        let word = &rest[..end.unwrap_or(rest.len())];
        let plain = word.replace('_', "");
        let whole = plain.parse::<i64>().map(Number::from);
        let number = whole
            .ok()
            .or_else(|| plain.parse().ok().and_then(Number::from_f64));
        let number = number.ok_or_else(|| self.expected("a number of at most 64 bits"))?;
        self.at += word.len();
        Ok(number)
    }

    fn string(&mut self) -> Result<String, PythonError> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let quote = quote.ok_or_else(|| self.expected("a text"))?;
        let mut text = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, c @ ('\\' | '\'' | '"'))) => text.push(c),
                    _ => {
                        self.at += at;
                        return Err(self.expected("one of the escapes \\n \\t \\\\ \\' \\\""));
                    }
                },
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.expected("a closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(text: &str) -> Value {
        Value::Object(parse_call(text).unwrap().named)
    }

    #[test]
    fn literals_become_json() {
        let text = "f(a=[1, -2.5, 1e-3,], b=(3, 4), c=(5), d=(6,), e=(), g=True, h=None, \
                    i={'k': [False]}, j=1_000, k=2 * -3*2.5)";
        let expected = json!({
            "a": [1, -2.5, 0.001], "b": [3, 4], "c": 5, "d": [6], "e": [], "g": true, "h": null,
            "i": {"k": [false]}, "j": 1000, "k": -15.0,
        });
        assert_eq!(named(text), expected);
    }

    #[test]
    fn texts_keep_quotes_escapes_and_what_looks_like_python() {
        let text = r#"f( function = 'lambda x: 3*x**2, (x=1)' , b="it's", c='a\'b\n', d='héß')"#;
        let expected = json!({"function": "lambda x: 3*x**2, (x=1)", "b": "it's", "c": "a'b\n", "d": "héß"});
        assert_eq!(named(text), expected);
    }

    #[test]
    fn positional_arguments_take_the_names_in_order() {
        let call = parse_call("math.f([1, 2], True, c=None)").unwrap();
        assert_eq!(call.function, "math.f");
        let parameters = call.clone().parameters(&["a", "b", "c"]).unwrap();
        assert_eq!(
            Value::Object(parameters),
            json!({"a": [1, 2], "b": true, "c": null})
        );
        assert_eq!(
            call.clone().parameters(&["a"]),
            Err(PythonError::TooMany { takes: 1 })
        );
        assert_eq!(call.parameters(&["a", "c"]), Err(PythonError::Twice("c".into())));
    }

    #[test]
    fn what_is_no_call_with_literals_is_refused_with_its_place() {
        let refused = |text: &str| match parse_call(text) {
            Err(PythonError::Expected { at, .. }) => at,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(refused("f"), 1);
        assert_eq!(refused("(1)"), 0);
        assert_eq!(refused("f(a=1 b=2)"), 6);
        assert_eq!(refused("f(a=1, 2)"), 7);
        assert_eq!(refused("f(a=g(1))"), 5);
        assert_eq!(refused("f(a=1+1)"), 5);
        assert_eq!(refused("f(a=2**3)"), 6);
        assert_eq!(refused("f(a=9223372036854775807*2)"), 24);
        assert_eq!(refused("f(a='x)"), 7);
        assert_eq!(refused("f(a='\\x41')"), 5);
        assert_eq!(refused("f(a=1)(2)"), 6);
        assert_eq!(refused("f(a=[1"), 6);
        assert_eq!(refused("f(a=12x)"), 4);
        assert_eq!(parse_call("f(a=1, a=2)"), Err(PythonError::Twice("a".into())));
        assert_eq!(
            parse_call(&format!("f({}", "[".repeat(1000))),
            Err(PythonError::TooDeep)
        );
    }
}
