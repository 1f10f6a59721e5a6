//! What calls touch, and the order that follows: of two calls of one execution on the same key, at least one of
//! them writing, the later waits for the earlier to end.
//!
//! A key that cannot be known before a result is there stands for every key with the literal beginning of its
//! template. Edges stay linear in the calls: only the last writer and the readers since it are waited for.

use std::collections::HashMap;

use serde_json::Value;
use toolwave_proto::v1;

use super::parameters::REFERENCE;

/// Effects that one tool may declare.
pub const MOST_EFFECTS: usize = 16;
/// The most bytes of a key's template.
pub const TEMPLATE_BYTES: usize = 256;
/// So many calls are waited for one by one before one of those that wait stands for all of them.
const WAITED_FOR_ONE_BY_ONE: usize = 4;

/// One effect of a tool, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectTemplate {
    writes: bool,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// The way to a parameter.
    Parameter(Vec<String>),
}

/// Why an effect cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffectFault {
    /// Neither reads nor writes.
    #[error("an effect must say whether it reads or writes")]
    NoMode,
    /// Too long, or empty.
    #[error("a key template must be 1 to {TEMPLATE_BYTES} bytes")]
    Length,
    /// Braces that do not match, or hold nothing.
    #[error(
        "the key template breaks off at byte {at}: write parameters as {{name}} or {{outer.inner}}, and braces as {{{{ and }}}}"
    )]
    Braces {
        /// Where.
        at: usize,
    },
}

/// What a call touches, as far as can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// This.
    Exact(String),
    /// Something that begins so.
    Beginning(String),
}

/// One touch of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The index of the call.
    pub call: u32,
    /// It writes.
    pub writes: bool,
    /// What it touches.
    pub key: Key,
}

/// `to` waits for the end of `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EffectEdge {
    /// The index of the earlier call.
    pub from: u32,
    /// The index of the later call.
    pub to: u32,
    /// The access of `to` that makes it wait, by its place in the list that was ordered.
    pub access: u32,
}

// === impl EffectTemplate ===

impl EffectTemplate {
    /// Compiles a declared effect.
    ///
    /// # Errors
    /// It has no mode, or its template cannot be read.
    pub fn compile(effect: &v1::Effect) -> Result<Self, EffectFault> {
        let writes = match effect.mode() {
            v1::EffectMode::Unspecified => return Err(EffectFault::NoMode),
            v1::EffectMode::Reads => false,
            v1::EffectMode::Writes => true,
        };
        let template = effect.key_template.as_str();
        if template.is_empty() || template.len() > TEMPLATE_BYTES {
            return Err(EffectFault::Length);
        }
        Ok(Self {
            writes,
            parts: parts(template)?,
        })
    }

    /// The key that a call with these parameters touches. `references`: strings in them may hold references.
    #[must_use]
    pub fn access(&self, call: u32, parameters: &Value, references: bool) -> Access {
        let mut key = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => key.push_str(literal),
                Part::Parameter(path) => match find(parameters, path) {
                    Some(value) if !(references && unknown(value)) => match value {
                        Value::String(text) => key.push_str(text),
                        other => key.push_str(&other.to_string()),
                    },
                    // Not there, or not known yet: only what stands before the first parameter is sure.
                    _ => {
                        let literal = match self.parts.first() {
                            Some(Part::Literal(literal)) if at > 0 => literal.clone(),
                            _ => String::new(),
                        };
                        return Access {
                            call,
                            writes: self.writes,
                            key: Key::Beginning(literal),
                        };
                    }
                },
            }
        }
        Access {
            call,
            writes: self.writes,
            key: Key::Exact(key),
        }
    }
}

fn parts(template: &str) -> Result<Vec<Part>, EffectFault> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        literal.push_str(&rest[..brace]);
        let at = template.len() - rest.len() + brace;
        let from = &rest[brace..];
        if let Some(doubled) = ["{{", "}}"].into_iter().find(|doubled| from.starts_with(doubled)) {
            literal.push_str(&doubled[1..]);
            rest = &from[2..];
            continue;
        }
        let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((path, after)) = inside else {
            return Err(EffectFault::Braces { at });
        };
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(|key| key.is_empty() || key.contains('{')) {
            return Err(EffectFault::Braces { at });
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Parameter(path));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn find<'v>(parameters: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(parameters, |value, key| value.get(key))
}

/// The value holds what looks like a reference.
fn unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REFERENCE),
        Value::Array(items) => items.iter().any(unknown),
        Value::Object(entries) => entries.values().any(unknown),
        _ => false,
    }
}

// === ordering ===

/// What is known of one exact key.
#[derive(Default)]
struct Slot {
    writer: Option<u32>,
    /// Since that writer.
    readers: Vec<u32>,
}

/// What is known of all keys with one beginning, where some call's key is only known by it ("wide").
#[derive(Default)]
struct Wide {
    /// The last wide writer.
    writer: Option<u32>,
    /// What a wide reader waits for, besides.
    writes: Vec<u32>,
    /// What a writer of one key under it waits for, besides.
    reads: Vec<u32>,
    /// All that touched it since the last wide writer.
    touches: Vec<u32>,
}

/// The edges that order `accesses`, which come in the order in which conflicting calls are to run.
#[must_use]
pub fn order(accesses: &[Access]) -> Vec<EffectEdge> {
    let mut edges = Vec::new();
    if !accesses.iter().any(|access| access.writes) {
        return edges;
    }
    let mut wides: HashMap<&str, Wide> = HashMap::new();
    for access in accesses {
        if let Key::Beginning(beginning) = &access.key {
            wides.entry(beginning).or_default();
        }
    }
    let mut slots: HashMap<&str, Slot> = HashMap::new();
    let mut waits: Vec<u32> = Vec::new();
    for (at, access) in accesses.iter().enumerate() {
        waits.clear();
        match &access.key {
            Key::Exact(key) => {
                touch_slot(slots.entry(key).or_default(), access, &mut waits);
                for (_, wide) in wides
                    .iter_mut()
                    .filter(|(beginning, _)| key.starts_with(**beginning))
                {
                    touch_narrow(wide, access, &mut waits);
                }
            }
            Key::Beginning(key) => {
                let related = |other: &str| other.starts_with(key.as_str()) || key.starts_with(other);
                for (_, wide) in wides.iter_mut().filter(|(beginning, _)| related(beginning)) {
                    touch_wide(wide, access, &mut waits);
                }
            }
        }
        waits.sort_unstable();
        waits.dedup();
        edges.extend(
            waits
                .iter()
                .filter(|&&from| from != access.call)
                .map(|&from| EffectEdge {
                    from,
                    to: access.call,
                    access: at as u32,
                }),
        );
    }
    edges
}

fn touch_slot(slot: &mut Slot, access: &Access, waits: &mut Vec<u32>) {
    if !access.writes {
        waits.extend(slot.writer);
        slot.readers.push(access.call);
        return;
    }
    // Readers since the writer wait for it themselves.
    waits.extend(if slot.readers.is_empty() {
        slot.writer
    } else {
        None
    });
    waits.append(&mut slot.readers);
    slot.writer = Some(access.call);
}

/// An access to one key, seen from a beginning that it has.
fn touch_narrow(wide: &mut Wide, access: &Access, waits: &mut Vec<u32>) {
    waits.extend(wide.writer);
    if access.writes {
        wait_for(&mut wide.reads, access.call, waits);
        wide.writes.push(access.call);
    }
    wide.touches.push(access.call);
}

/// An access to a key that is known only by its beginning.
fn touch_wide(wide: &mut Wide, access: &Access, waits: &mut Vec<u32>) {
    if access.writes {
        waits.extend(wide.writer);
        waits.append(&mut wide.touches);
        *wide = Wide {
            writer: Some(access.call),
            ..Wide::default()
        };
        return;
    }
    waits.extend(wide.writer);
    wait_for(&mut wide.writes, access.call, waits);
    wide.reads.push(access.call);
    wide.touches.push(access.call);
}

/// Waits for all of `them`; when they are many, the call that does so stands for them from then on, so that
/// many readers after many writers make no more edges than there are calls.
fn wait_for(them: &mut Vec<u32>, call: u32, waits: &mut Vec<u32>) {
    waits.extend_from_slice(them);
    if them.len() > WAITED_FOR_ONE_BY_ONE {
        them.clear();
        them.push(call);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(mode: v1::EffectMode, key_template: &str) -> Result<EffectTemplate, EffectFault> {
        EffectTemplate::compile(&v1::Effect {
            mode: mode.into(),
            key_template: key_template.into(),
        })
    }

    fn writes(key_template: &str) -> EffectTemplate {
        template(v1::EffectMode::Writes, key_template).expect(key_template)
    }

    #[test]
    fn keys_come_from_parameters() {
        let parameters = json!({"path": "/a", "at": {"line": 7, "tags": ["x"]}});
        let key = |text: &str| writes(text).access(0, &parameters, false).key;
        assert_eq!(key("file:{path}"), Key::Exact("file:/a".into()));
        assert_eq!(key("{path}:{at.line}{{}}"), Key::Exact("/a:7{}".into()));
        assert_eq!(key("t:{at.tags}"), Key::Exact("t:[\"x\"]".into()));
        assert_eq!(key("everything"), Key::Exact("everything".into()));
        assert_eq!(key("file:{none}/x"), Key::Beginning("file:".into()));
        assert_eq!(key("{none}"), Key::Beginning(String::new()));
    }

    #[test]
    fn a_key_from_a_reference_is_known_only_by_its_beginning() {
        let parameters = json!({"dir": "/tmp", "path": "${a.result}"});
        let key = |references| writes("file:{dir}/{path}").access(0, &parameters, references).key;
        assert_eq!(key(true), Key::Beginning("file:".into()));
        assert_eq!(key(false), Key::Exact("file:/tmp/${a.result}".into()));
    }

    #[test]
    fn templates_that_cannot_be_read_are_refused() {
        for (text, at) in [("a{b", 1), ("a}b", 1), ("{}", 0), ("{a..b}", 0), ("{{{a}", 5)] {
            let fault = template(v1::EffectMode::Reads, text);
            if text == "{{{a}" {
                assert!(fault.is_ok(), "an escaped brace, then a parameter");
            } else {
                assert_eq!(fault, Err(EffectFault::Braces { at }), "{text}");
            }
        }
        assert_eq!(
            template(v1::EffectMode::Unspecified, "a"),
            Err(EffectFault::NoMode)
        );
        assert_eq!(template(v1::EffectMode::Reads, ""), Err(EffectFault::Length));
    }

    fn edges(accesses: &[(bool, Key)]) -> Vec<(u32, u32)> {
        let accesses: Vec<Access> = accesses
            .iter()
            .enumerate()
            .map(|(call, (writes, key))| Access {
                call: call as u32,
                writes: *writes,
                key: key.clone(),
            })
            .collect();
        order(&accesses).iter().map(|edge| (edge.from, edge.to)).collect()
    }

    fn exact(key: &str) -> Key {
        Key::Exact(key.into())
    }

    fn wide(key: &str) -> Key {
        Key::Beginning(key.into())
    }

    #[test]
    fn readers_run_beside_each_other_and_writers_alone() {
        let (r, w) = (false, true);
        assert_eq!(edges(&[(r, exact("k")), (r, exact("k")), (r, wide("k"))]), []);
        assert_eq!(
            edges(&[
                (w, exact("k")),
                (r, exact("k")),
                (r, exact("k")),
                (w, exact("k")),
                (w, exact("other"))
            ]),
            [(0, 1), (0, 2), (1, 3), (2, 3)]
        );
    }

    #[test]
    fn an_unknown_key_conflicts_with_every_key_that_it_can_become() {
        let (r, w) = (false, true);
        assert_eq!(
            edges(&[
                (w, exact("f:a")),
                (w, exact("g:b")),
                (r, wide("f:")),
                (w, exact("f:c"))
            ]),
            [(0, 2), (2, 3)]
        );
        assert_eq!(
            edges(&[(r, exact("f:a")), (w, wide("f:")), (r, exact("f:b"))]),
            [(0, 1), (1, 2)]
        );
        assert_eq!(
            edges(&[(w, wide("f:a")), (w, wide("f:")), (w, wide("g:"))]),
            [(0, 1)]
        );
    }

    #[test]
    fn many_writers_and_many_unknown_readers_make_few_edges() {
        let mut accesses: Vec<(bool, Key)> = (0..3000).map(|i| (true, exact(&format!("f:{i}")))).collect();
        accesses.extend((0..3000).map(|_| (false, wide("f:"))));
        accesses.extend((0..3000).map(|i| (true, exact(&format!("f:{i}")))));
        let edges = edges(&accesses);
        assert!(edges.len() < 20_000, "{}", edges.len());
    }
}
