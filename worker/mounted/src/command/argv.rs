//! Arguments of a command: how they are declared, and what they are for the parameters of one call.
//!
//! A placeholder becomes part of one argument, byte by byte, whatever the value holds: no value is split, expanded or
//! quoted, and none becomes an option unless that is allowed.

use std::{ffi::OsString, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::Value;

use super::expected;
use crate::template::{Piece, Place, Template, TemplateError};

/// Linux takes no longer argument: `MAX_ARG_STRLEN`, without the NUL at its end.
const MAX_ARGUMENT: usize = 131_071;

/// One entry of `argv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// An argument; left out where it has a placeholder whose parameter is absent.
    One(String),
    /// Arguments that are left out together.
    Group(Vec<String>),
}

impl Element {
    /// Its arguments as they are declared.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Group(texts) => texts,
        }
    }
}

/// All of `argv`, parsed.
#[derive(Clone, Debug)]
pub(super) struct Argv {
    pub(super) program: String,
    groups: Vec<Vec<Template>>,
    allow_dash: Vec<String>,
    as_json: Vec<String>,
}

/// Why parameters make no arguments. It names parameters, and never tells a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgumentError {
    #[error(
        "parameter {0} begins with `-`, which a program may take for an option; expected a value that does not"
    )]
    Dash(Place),
    #[error("parameter {0} holds a NUL character, which no argument can; expected text without one")]
    Nul(Place),
    #[error("parameter {0} is {1}; expected text, a number or a boolean")]
    Composite(Place, &'static str),
    #[error("parameter {place} makes an argument of {bytes} bytes; expected at most {MAX_ARGUMENT}")]
    Long { place: Place, bytes: usize },
}

impl Argv {
    /// Where a text is no template: which element, and why.
    pub(super) fn parse(
        elements: &[Element],
        allow_dash: &[String],
        as_json: &[String],
    ) -> Result<Self, (String, TemplateError)> {
        let mut groups = Vec::with_capacity(elements.len());
        for (key, element) in keys(elements) {
            let parse = |text: &String| Template::parse(text).map_err(|error| (key.clone(), error));
            groups.push(element.texts().iter().map(parse).collect::<Result<Vec<_>, _>>()?);
        }
        let program = match groups.first().and_then(|group| group.first()?.pieces().first()) {
            Some(Piece::Text(program)) => program.clone(),
            _ => String::new(),
        };
        let arguments = groups.into_iter().skip(1).collect();
        Ok(Self {
            program,
            groups: arguments,
            allow_dash: allow_dash.to_vec(),
            as_json: as_json.to_vec(),
        })
    }

    /// What follows the program.
    pub(super) fn arguments(&self, parameters: &Value) -> Result<Vec<OsString>, ArgumentError> {
        let mut arguments = Vec::with_capacity(self.groups.len());
        let mut options_over = false;
        for group in &self.groups {
            let is_absent = |place: &Place| place.of(parameters).is_none();
            if group.iter().flat_map(Template::places).any(is_absent) {
                continue;
            }
            for template in group {
                arguments.push(self.argument(template, parameters, options_over)?.into());
            }
            options_over |= ends_options(group);
        }
        Ok(arguments)
    }

    fn argument(
        &self,
        template: &Template,
        parameters: &Value,
        options_over: bool,
    ) -> Result<String, ArgumentError> {
        let mut argument = String::new();
        for piece in template.pieces() {
            let place = match piece {
                Piece::Text(text) => {
                    argument.push_str(text);
                    continue;
                }
                Piece::Place(place) => place,
            };
            let text = self.text(place, parameters)?;
            let is_first = argument.is_empty();
            if is_first && text.starts_with('-') && !options_over && !names(&self.allow_dash, place) {
                return Err(ArgumentError::Dash(place.clone()));
            }
            if text.contains('\0') {
                return Err(ArgumentError::Nul(place.clone()));
            }
            argument.push_str(&text);
            if argument.len() > MAX_ARGUMENT {
                let bytes = argument.len();
                return Err(ArgumentError::Long {
                    place: place.clone(),
                    bytes,
                });
            }
        }
        Ok(argument)
    }

    fn text(&self, place: &Place, parameters: &Value) -> Result<String, ArgumentError> {
        let composite = |what| ArgumentError::Composite(place.clone(), what);
        match place.of(parameters) {
            None => Ok(String::new()),
            Some(value @ (Value::Array(_) | Value::Object(_))) if names(&self.as_json, place) => {
                Ok(value.to_string())
            }
            Some(Value::Array(_)) => Err(composite("a list")),
            Some(Value::Object(_)) => Err(composite("an object")),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Ok(value.to_string()),
        }
    }
}

/// True for an element that ends the options wherever it stands: the group `--`.
fn ends_options(group: &[Template]) -> bool {
    matches!(group, [template] if matches!(template.pieces(), [Piece::Text(text)] if text == "--"))
}

/// True where the list has the place.
pub(super) fn names(list: &[String], place: &Place) -> bool {
    list.contains(&place.to_string())
}

/// Each element with its key.
pub(super) fn keys(elements: &[Element]) -> impl Iterator<Item = (String, &Element)> {
    elements
        .iter()
        .enumerate()
        .map(|(index, element)| (format!("argv[{index}]"), element))
}

/// True where parameters stand in the arguments.
pub(super) fn has_places(elements: &[Element]) -> bool {
    let has = |text: &String| Template::parse(text).is_ok_and(|template| template.places().next().is_some());
    elements.iter().flat_map(Element::texts).any(has)
}

const LIST: &str = "a list such as [\"/usr/bin/du\", \"-sb\", \"--\", \"{path}\"]";

/// Reads `argv`, and says of what people write instead why it is wrong.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Element>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<Element>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(LIST)
        }

        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(expected("a command is no line of a shell", LIST))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = sequence.next_element()? {
                elements.push(element);
            }
            Ok(elements)
        }
    }

    deserializer.deserialize_any(List)
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;

        impl<'de> Visitor<'de> for Entry {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an argument, or a list of arguments that are left out together")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Element, E> {
                Ok(Element::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Element, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = sequence.next_element()? {
                    texts.push(text);
                }
                Ok(Element::Group(texts))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<Element, A::Error> {
                let what = "a secret among the arguments can be read by every user of the machine";
                Err(expected(
                    what,
                    "it in `environment`, or in a file that the command reads",
                ))
            }
        }

        deserializer.deserialize_any(Entry)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn argv(elements: Value, allow_dash: &[&str], as_json: &[&str]) -> Argv {
        let elements: Vec<Element> = serde_json::from_value(elements).expect("a list");
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Argv::parse(&elements, &owned(allow_dash), &owned(as_json)).expect("templates")
    }

    #[test]
    fn absent_parameters_leave_their_element_or_group_out() {
        let argv = argv(
            json!(["/p", ["-o", "{out}"], "--in={in}", "--", "{path}", "{{x}}"]),
            &[],
            &[],
        );
        let arguments = |parameters| argv.arguments(&parameters).expect("arguments");
        assert_eq!(
            arguments(json!({"out": "a b", "in": 7, "path": "-x"})),
            ["-o", "a b", "--in=7", "--", "-x", "{x}"]
        );
        assert_eq!(arguments(json!({"path": "", "out": null})), ["--", "", "{x}"]);
    }

    #[test]
    fn a_dash_is_refused_where_it_could_be_an_option() {
        for (elements, allowed, value, is_fine) in [
            (json!(["/p", "{v}"]), &[][..], json!("-rf"), false),
            (json!(["/p", "{v}"]), &[], json!(-5), false),
            (json!(["/p", "{e}{v}"]), &[], json!("-x"), false),
            (json!(["/p", ["--", "{v}"]]), &[], json!("-x"), false),
            (json!(["/p", "{v}", "--"]), &[], json!("-x"), false),
            (json!(["/p", "{v}"]), &["v"], json!("-x"), true),
            (json!(["/p", "a{v}"]), &[], json!("-x"), true),
            (json!(["/p", "--", "{v}"]), &[], json!("-x"), true),
        ] {
            let argv = argv(elements.clone(), allowed, &[]);
            let arguments = argv.arguments(&json!({"v": value, "e": ""}));
            assert_eq!(arguments.is_ok(), is_fine, "{elements}: {arguments:?}");
        }
    }

    #[test]
    fn what_no_argument_can_hold_is_refused_by_name_and_without_its_value() {
        let argv = argv(json!(["/p", "{v}", "{j}"]), &[], &["j"]);
        for value in [
            json!("a\0secret"),
            json!(["secret"]),
            json!({"secret": 1}),
            json!("secret".repeat(30_000)),
        ] {
            let error = argv
                .arguments(&json!({"v": value, "j": 1}))
                .expect_err("refused")
                .to_string();
            assert!(
                error.starts_with("parameter v ") && !error.contains("secret"),
                "{error}"
            );
        }
        let arguments = argv
            .arguments(&json!({"v": true, "j": {"a": [1]}}))
            .expect("arguments");
        assert_eq!(arguments, ["true", "{\"a\":[1]}"]);
    }
}
