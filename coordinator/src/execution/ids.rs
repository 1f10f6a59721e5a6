//! The ids of a request's calls, and which call has which. A call without an id has its index for one, in
//! decimal: where no call has another, nothing needs to be looked up in a table.

use std::{collections::HashMap, sync::Arc};

use toolwave_proto::v1;

use super::{calls::is_name, limits::NAME_BYTES, text::quoted, violations::Violations};
use crate::error::Reason;

/// All ids of a request.
pub(super) struct Ids {
    /// In request order.
    pub(super) texts: Vec<Arc<str>>,
    /// `None`: every id is an index.
    table: Option<HashMap<Arc<str>, u32>>,
    /// No id is there twice.
    pub(super) distinct: bool,
}

impl Ids {
    /// Reads them, and adds what is wrong with them.
    pub(super) fn of(calls: &[v1::Call], violations: &mut Violations) -> Self {
        let mut digits = itoa::Buffer::new();
        let texts = calls.iter().enumerate().map(|(at, call)| match &call.id {
            Some(id) => Arc::from(id.as_str()),
            None => Arc::from(digits.format(at)),
        });
        let mut ids = Self {
            texts: texts.collect(),
            table: None,
            distinct: true,
        };
        if calls.iter().any(|call| call.id.is_some()) {
            ids.tabulate(calls, violations);
        }
        ids
    }

    fn tabulate(&mut self, calls: &[v1::Call], violations: &mut Violations) {
        let mut table: HashMap<Arc<str>, u32> = HashMap::with_capacity(self.texts.len());
        for (at, id) in self.texts.iter().enumerate() {
            if calls[at].id.is_some() && !is_name(id) {
                violations.add(
                    Reason::BadId,
                    || format!("calls[{at}].id"),
                    || {
                        format!(
                            "{} must be 1 to {NAME_BYTES} bytes of [A-Za-z0-9._:-]",
                            quoted(id)
                        )
                    },
                );
            }
            if let Some(before) = table.get(id).copied() {
                self.distinct = false;
                violations.add(
                    Reason::DuplicateId,
                    || format!("calls[{at}].id"),
                    || format!("{} is the id of calls[{before}] too", quoted(id)),
                );
                continue;
            }
            table.insert(id.clone(), at as u32);
        }
        self.table = Some(table);
    }

    /// The call that has this id.
    pub(super) fn index(&self, id: &str) -> Option<u32> {
        if let Some(table) = &self.table {
            return table.get(id).copied();
        }
        // `007` and `+7` are no index as it is written.
        let at: u32 = id.parse().ok()?;
        (self.texts.get(at as usize)?.as_ref() == id).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(given: &[Option<&str>]) -> (Ids, Violations) {
        let call = |id: &Option<&str>| v1::Call {
            id: id.map(str::to_owned),
            ..v1::Call::default()
        };
        let calls: Vec<v1::Call> = given.iter().map(call).collect();
        let mut violations = Violations::default();
        (Ids::of(&calls, &mut violations), violations)
    }

    #[test]
    fn calls_without_ids_are_found_by_their_index_and_by_nothing_else() {
        let (ids, violations) = ids(&[None; 12]);
        assert!(violations.is_empty() && ids.distinct);
        assert_eq!((ids.index("0"), ids.index("11")), (Some(0), Some(11)));
        for none in ["12", "007", "+7", "-1", "", "7 ", "4294967296"] {
            assert_eq!(ids.index(none), None, "{none}");
        }
    }

    #[test]
    fn an_index_and_an_id_may_meet() {
        let (ids, violations) = ids(&[None, Some("0"), Some("a")]);
        assert!(!ids.distinct && !violations.is_empty());
        assert_eq!(ids.index("a"), Some(2));
    }
}
