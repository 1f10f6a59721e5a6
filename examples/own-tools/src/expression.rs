//! A Python lambda of one variable, read without Python: + - * / **, parentheses, numbers.
//!
//! It is evaluated on dual numbers (a value and its slope), so the derivative is exact up to rounding.
//! Names other than the variable, calls and exponents that are not whole numbers are refused.

/// The body of a lambda.
#[derive(Debug)]
pub(crate) struct Expression(Node);

#[derive(Debug)]
enum Node {
    Number(f64),
    Variable,
    Negative(Box<Node>),
    Binary(u8, Box<Node>, Box<Node>),
    Power(Box<Node>, i32),
}

/// Why a text is no expression.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ExpressionError {
    #[error("a function begins with \"lambda x:\" where x is the name of its one variable")]
    NoLambda,
    #[error(
        "unexpected {found} at byte {at} of the body: it may hold + - * / ** ( ), numbers and {variable}"
    )]
    Unexpected {
        found: String,
        at: usize,
        variable: String,
    },
    #[error("the exponent at byte {0} of the body is not a whole number from -1000 to 1000")]
    Exponent(usize),
    #[error("more than 50 parentheses or signs lie inside one another")]
    TooDeep,
}

const DEPTH: u32 = 50;

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let head_and_body = text
            .trim()
            .strip_prefix("lambda")
            .and_then(|rest| rest.split_once(':'));
        let (variable, body) = head_and_body.ok_or(ExpressionError::NoLambda)?;
        let variable = variable.trim();
        let named = variable.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !named || !variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(ExpressionError::NoLambda);
        }
        let mut parser = Parser {
            body,
            at: 0,
            variable,
            depth: 0,
        };
        let node = parser.sum()?;
        match parser.peek() {
            None => Ok(Self(node)),
            Some(_) => Err(parser.unexpected()),
        }
    }

    /// The slope at `x`; not finite where there is none.
    pub(crate) fn derivative(&self, x: f64) -> f64 {
        dual(&self.0, x).1
    }
}

/// Value and slope.
fn dual(node: &Node, x: f64) -> (f64, f64) {
    match node {
        Node::Number(number) => (*number, 0.0),
        Node::Variable => (x, 1.0),
        Node::Negative(inner) => {
            let (value, slope) = dual(inner, x);
            (-value, -slope)
        }
        Node::Power(base, exponent) => {
            let (value, slope) = dual(base, x);
            let outer = if *exponent == 0 {
                0.0
            } else {
                f64::from(*exponent) * value.powi(exponent - 1)
            };
            (value.powi(*exponent), outer * slope)
        }
        Node::Binary(operator, left, right) => {
            let ((a, da), (b, db)) = (dual(left, x), dual(right, x));
            match operator {
                b'+' => (a + b, da + db),
                b'-' => (a - b, da - db),
                b'*' => (a * b, da * b + a * db),
                _ => (a / b, (da * b - a * db) / (b * b)),
            }
        }
    }
}

struct Parser<'a> {
    body: &'a str,
    at: usize,
    variable: &'a str,
    depth: u32,
}

impl Parser<'_> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.body[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.body.as_bytes().get(self.at).copied()
    }

    /// Takes `token` when it comes next.
    fn takes(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.body[self.at..].starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn unexpected(&mut self) -> ExpressionError {
        let found = self.peek().and_then(|_| self.body[self.at..].chars().next());
        let found = found.map_or_else(|| "end".to_owned(), |c| format!("{c:?}"));
        ExpressionError::Unexpected {
            found,
            at: self.at,
            variable: self.variable.to_owned(),
        }
    }

    fn sum(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.term()?;
        while let Some(operator @ (b'+' | b'-')) = self.peek() {
            self.at += 1;
            left = Node::Binary(operator, Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.factor()?;
        while let Some(operator @ (b'*' | b'/')) = self.peek() {
            self.at += 1;
            left = Node::Binary(operator, Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    /// A sign binds less than a power: -x**2 is -(x**2).
    fn factor(&mut self) -> Result<Node, ExpressionError> {
        if self.takes("-") {
            return Ok(Node::Negative(Box::new(self.deeper(Self::factor)?)));
        }
        if self.takes("+") {
            return self.deeper(Self::factor);
        }
        let base = self.atom()?;
        if !self.takes("**") {
            return Ok(base);
        }
        let at = self.at;
        let sign = if self.takes("-") { -1 } else { 1 };
        match self.deeper(Self::factor)? {
            Node::Number(n) if n.fract() == 0.0 && (0.0..=1000.0).contains(&n) => {
                #[allow(clippy::cast_possible_truncation, reason = "a whole number of at most 1000")]
                let exponent = sign * n as i32;
                Ok(Node::Power(Box::new(base), exponent))
            }
            _ => Err(ExpressionError::Exponent(at)),
        }
    }

    fn atom(&mut self) -> Result<Node, ExpressionError> {
        if self.takes("(") {
            let inner = self.deeper(Self::sum)?;
            return if self.takes(")") {
                Ok(inner)
            } else {
                Err(self.unexpected())
            };
        }
        let start = self.at;
        let rest = &self.body[start..];
        let word = rest
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
            .next()
            .unwrap_or("");
        if word == self.variable {
            self.at += word.len();
            return Ok(Node::Variable);
        }
        match word.parse::<f64>() {
            Ok(number) if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                self.at += word.len();
                Ok(Node::Number(number))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn deeper(
        &mut self,
        part: fn(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        let node = part(self);
        self.depth -= 1;
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(text: &str, x: f64) -> f64 {
        Expression::parse(text).unwrap().derivative(x)
    }

    #[test]
    fn polynomials_and_quotients_have_exact_slopes() {
        assert_eq!(slope("lambda x: 3*x**2 + 2*x - 1", 4.0), 26.0);
        assert_eq!(slope("lambda x : 5*x**3 - 3*x**2 + 2*x + 1", -2.0), 74.0);
        assert_eq!(slope("lambda t: -t**2", 3.0), -6.0);
        assert_eq!(slope("lambda x: (x + 1) * (x - 1) / x", 2.0), 1.25);
        assert_eq!(slope("lambda x: x**-1", 2.0), -0.25);
        assert_eq!(slope("lambda x: x**0 + 1.5*x", 0.0), 1.5);
        assert!(!slope("lambda x: 1/x", 0.0).is_finite());
    }

    #[test]
    fn anything_else_is_refused_with_its_place() {
        let error = |text: &str| Expression::parse(text).unwrap_err();
        assert_eq!(error("x**2"), ExpressionError::NoLambda);
        assert_eq!(error("lambda x, y: x"), ExpressionError::NoLambda);
        assert_eq!(error("lambda x: x**x"), ExpressionError::Exponent(4));
        assert!(matches!(
            error("lambda x: __import__('os')"),
            ExpressionError::Unexpected { at: 1, .. }
        ));
        assert!(matches!(
            error("lambda x: x +"),
            ExpressionError::Unexpected { at: 4, .. }
        ));
        assert!(matches!(
            error("lambda x: x x"),
            ExpressionError::Unexpected { at: 3, .. }
        ));
        assert!(matches!(error("lambda x: é"), ExpressionError::Unexpected { .. }));
        assert_eq!(
            error(&format!("lambda x: {}x", "(".repeat(600))),
            ExpressionError::TooDeep
        );
        assert_eq!(
            error(&format!("lambda x: {}x", "-".repeat(600))),
            ExpressionError::TooDeep
        );
    }
}
