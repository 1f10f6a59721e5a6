//! Text with places for parameters: `https://host/v1/{city}?units={options.units}`.
//!
//! It only knows where the places are and which parameter each takes. What a value looks like there, and what
//! becomes of a place whose parameter is absent, is decided by the kind of tool that fills it.

use std::fmt;

use serde_json::Value;

/// A parsed text. `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Stands as it is.
    Text(String),
    /// Takes the value of a parameter.
    Place(Place),
}

/// Names a parameter: `city`, or `options.units` for a member of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    path: Vec<String>,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other one.
    #[error(
        "`{brace}` at character {at} has no other brace; expected a parameter such as {{city}}, or {brace}{brace} for the brace itself"
    )]
    Lone {
        /// `{` or `}`.
        brace: char,
        /// From 1.
        at: usize,
    },
    /// Braces around what is no parameter's name.
    #[error(
        "`{{{text}}}` at character {at} names no parameter; expected a name such as {{city}} or {{options.units}}"
    )]
    Name {
        /// Between the braces.
        text: String,
        /// From 1.
        at: usize,
    },
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// Says which brace is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((index, char)) = chars.next() {
            let at = index + 1;
            match char {
                '{' | '}' if chars.next_if(|(_, next)| *next == char).is_some() => plain.push(char),
                '}' => return Err(TemplateError::Lone { brace: '}', at }),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some((_, '}')) => break,
                            Some((_, '{')) | None => return Err(TemplateError::Lone { brace: '{', at }),
                            Some((_, char)) => name.push(char),
                        }
                    }
                    let place = Place::parse(&name).ok_or(TemplateError::Name { text: name, at })?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Place(place));
                }
                _ => plain.push(char),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Its parts, in order; no two texts stand side by side.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Its places, in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Place(place) => Some(place),
            Piece::Text(_) => None,
        })
    }

    /// The place, where the whole text is one.
    #[must_use]
    pub fn sole_place(&self) -> Option<&Place> {
        match self.pieces.as_slice() {
            [Piece::Place(place)] => Some(place),
            _ => None,
        }
    }
}

impl Place {
    fn parse(name: &str) -> Option<Self> {
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let is_name = |part: &String| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '$'))
        };
        path.iter().all(is_name).then_some(Self { path })
    }

    /// Names from the outermost object inwards; never empty.
    #[must_use]
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// The value that the parameters have here; `None` where they have none, or `null`.
    #[must_use]
    pub fn of<'a>(&self, parameters: &'a Value) -> Option<&'a Value> {
        self.path
            .iter()
            .try_fold(parameters, |value, name| value.get(name))
            .filter(|value| !value.is_null())
    }

    /// The part of the schema that describes the value; `None` where no property has that name.
    #[must_use]
    pub fn schema<'a>(&self, input_schema: &'a Value) -> Option<&'a Value> {
        self.path
            .iter()
            .try_fold(input_schema, |schema, name| schema.get("properties")?.get(name))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_stand_between_texts_and_double_braces_are_braces() {
        let template = Template::parse("a{b}{{c}}{d.e}").expect("a template");
        let texts: Vec<String> = template
            .pieces()
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => format!("text {text}"),
                Piece::Place(place) => format!("place {place}"),
            })
            .collect();
        assert_eq!(texts, ["text a", "place b", "text {c}", "place d.e"]);
        assert_eq!(template.sole_place(), None);
    }

    #[test]
    fn a_lone_brace_and_an_empty_name_are_told_with_their_place() {
        for (text, message) in [
            ("ab}c", "`}` at character 3"),
            ("ab{c", "`{` at character 3"),
            ("{a{b}}", "`{` at character 1"),
            ("x{}", "`{}` at character 2"),
            ("x{a b}", "`{a b}` at character 2"),
            ("x{a..b}", "`{a..b}` at character 2"),
        ] {
            let error = Template::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_place_finds_its_value_and_its_schema() {
        let template = Template::parse("{options.units}").expect("a template");
        let place = template.sole_place().expect("one place");
        assert_eq!(
            place.of(&json!({"options": {"units": "metric"}})),
            Some(&json!("metric"))
        );
        assert_eq!(place.of(&json!({"options": {"units": null}})), None);
        assert_eq!(place.of(&json!({})), None);
        let schema = json!({"properties": {"options": {"properties": {"units": {"type": "string"}}}}});
        assert_eq!(place.schema(&schema), Some(&json!({"type": "string"})));
        assert_eq!(place.schema(&json!({"properties": {}})), None);
    }
}
