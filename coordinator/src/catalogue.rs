//! The tools that workers declared: an immutable snapshot that the driver replaces and everybody else reads.
//! Also gives every tool name its key. It dispatches nothing and knows no worker.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use toolwave_proto::v1;
use toolwave_scheduler::ToolKey;

use crate::tenants::Caller;

mod declaration;

pub use declaration::{DeclarationError, DeclaredTool, SCHEMA_BYTES};

/// Names that were called and never declared, kept at once. A client may call any name, so memory for them is
/// bounded: the oldest is forgotten, and a call that still waits under it ends as if nobody hosted its tool.
const UNDECLARED_NAMES: usize = 65_536;
/// Tools that are known at once. They are known for as long as the coordinator lives, and a worker may declare new
/// ones whenever it likes.
pub(crate) const DECLARED_TOOLS: usize = 100_000;
/// The key of every name that a client may not use: no worker ever declares it.
const HIDDEN: ToolKey = ToolKey(u32::MAX);
/// Names that are offered instead of one that is not known.
const NEAREST: usize = 3;
/// Names further off than this are no help.
const ALIKE: f64 = 0.75;

/// A snapshot. Cheap to make: tools are shared with the one before.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    tools: Arc<HashMap<Arc<str>, Arc<DeclaredTool>>>,
    names: Arc<Mutex<Names>>,
    /// Declared, and taken from the last worker that offered them: known for calls that are under way, shown to
    /// nobody.
    withdrawn: Arc<HashSet<Arc<str>>>,
    /// Whose view it is: tools that they may not name are not there. `None`: the coordinator's own.
    seen_by: Option<Box<Caller>>,
}

/// What a declaration came to.
#[derive(Debug)]
pub struct Declared {
    /// The snapshot with it.
    pub catalogue: Catalogue,
    /// The tool.
    pub tool: Arc<DeclaredTool>,
    /// It says something that the one before did not.
    pub changed: bool,
}

/// Keys of names; shared by all snapshots, since a key is for ever.
#[derive(Debug, Default)]
struct Names {
    keys: HashMap<Arc<str>, ToolKey>,
    names: HashMap<ToolKey, Arc<str>>,
    undeclared: VecDeque<Arc<str>>,
    next: u32,
}

impl Catalogue {
    /// With `tool` declared, in place of what was declared under its name. A schema that has not changed is
    /// not compiled again.
    ///
    /// # Errors
    /// The declaration is wrong; the snapshot stays good as it is.
    pub fn declare(&self, tool: v1::Tool) -> Result<Declared, DeclarationError> {
        let mut catalogue = self.clone();
        let (tool, changed) = catalogue.add(tool)?;
        Ok(Declared {
            catalogue,
            tool,
            changed,
        })
    }

    /// Declares `tool` in this snapshot, which nobody else has yet; whether it says something new.
    pub(crate) fn add(&mut self, tool: v1::Tool) -> Result<(Arc<DeclaredTool>, bool), DeclarationError> {
        let before = self.tools.get(tool.name.as_str());
        if let Some(same) = before.filter(|before| before.proto == tool) {
            // one that was withdrawn is news again
            return Ok((same.clone(), !self.offers(&tool.name)));
        }
        if before.is_none() && self.tools.len() >= DECLARED_TOOLS {
            return Err(DeclarationError::TooMany);
        }
        declaration::check_name(&tool.name)?;
        let name: Arc<str> = tool.name.as_str().into();
        let key = self.names().declare(&name);
        let tool = Arc::new(DeclaredTool::compile(tool, key, before.map(AsRef::as_ref))?);
        Arc::make_mut(&mut self.tools).insert(name, tool.clone());
        Ok((tool, true))
    }

    /// The same for a client: a tool that it may not name is as one that nobody declared, whatever is asked.
    pub(crate) fn seen_by(self: &Arc<Self>, caller: &Caller) -> Arc<Self> {
        if caller.may_name_all() {
            return self.clone();
        }
        Arc::new(Self {
            tools: self.tools.clone(),
            names: self.names.clone(),
            withdrawn: self.withdrawn.clone(),
            seen_by: Some(Box::new(caller.clone())),
        })
    }

    /// What is declared under a name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<DeclaredTool>> {
        self.tools.get(name).filter(|_| self.shows(name))
    }

    fn shows(&self, name: &str) -> bool {
        self.seen_by.as_ref().is_none_or(|caller| caller.may_name(name))
    }

    /// False for a tool that was withdrawn.
    #[must_use]
    pub fn offers(&self, name: &str) -> bool {
        !self.withdrawn.contains(name)
    }

    pub(crate) fn withdraw(&mut self, names: Vec<Arc<str>>) {
        Arc::make_mut(&mut self.withdrawn).extend(names);
    }

    /// Takes over what `other` says of tools that were withdrawn, but for those that are declared now.
    pub(crate) fn keep_withdrawn(&mut self, other: &Self, declared: &[Arc<str>]) {
        self.withdrawn = other.withdrawn.clone();
        if !self.withdrawn.is_empty() {
            let withdrawn = Arc::make_mut(&mut self.withdrawn);
            declared.iter().for_each(|name| {
                withdrawn.remove(name);
            });
        }
    }

    /// All tools that are offered, sorted by name.
    #[must_use]
    pub fn tools(&self) -> Vec<&Arc<DeclaredTool>> {
        let shown = self
            .tools
            .values()
            .filter(|tool| self.shows(&tool.proto.name) && self.offers(&tool.proto.name));
        let mut tools: Vec<_> = shown.collect();
        tools.sort_unstable_by(|a, b| a.proto.name.cmp(&b.proto.name));
        tools
    }

    /// The key of a name, declared or not.
    #[must_use]
    pub fn key(&self, name: &Arc<str>) -> ToolKey {
        // Not yet declared counts too: once it is, the client may name it no more than before.
        if !self.shows(name) {
            return HIDDEN;
        }
        match self.tools.get(name) {
            Some(tool) => tool.key,
            None => self.names().undeclared(name),
        }
    }

    /// The name of a key; `None` when it was forgotten.
    #[must_use]
    pub fn name(&self, key: ToolKey) -> Option<Arc<str>> {
        self.names().names.get(&key).cloned()
    }

    /// The declared names most like one that is not, the nearest first.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Vec<Arc<str>> {
        let mut alike: Vec<(f64, &Arc<str>)> = self
            .tools
            .keys()
            .filter(|known| self.shows(known) && self.offers(known))
            .map(|known| (strsim::jaro_winkler(name, known), known))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .collect();
        alike.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        alike
            .into_iter()
            .take(NEAREST)
            .map(|(_, known)| known.clone())
            .collect()
    }

    /// Held for a look-up or an insertion only, so that a panic in between leaves nothing half done.
    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn declare(&mut self, name: &Arc<str>) -> ToolKey {
        match self.keys.get(name) {
            Some(&key) => {
                self.undeclared.retain(|undeclared| undeclared != name);
                key
            }
            None => self.insert(name),
        }
    }

    fn undeclared(&mut self, name: &Arc<str>) -> ToolKey {
        if let Some(&key) = self.keys.get(name) {
            return key;
        }
        if self.undeclared.len() >= UNDECLARED_NAMES
            && let Some(oldest) = self.undeclared.pop_front()
            && let Some(key) = self.keys.remove(&oldest)
        {
            self.names.remove(&key);
        }
        self.undeclared.push_back(name.clone());
        self.insert(name)
    }

    fn insert(&mut self, name: &Arc<str>) -> ToolKey {
        let key = ToolKey(self.next);
        self.next += 1;
        self.keys.insert(name.clone(), key);
        self.names.insert(key, name.clone());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, schema: &'static str) -> v1::Tool {
        v1::Tool {
            name: name.into(),
            input_schema_json: schema.into(),
            ..v1::Tool::default()
        }
    }

    #[test]
    fn tools_beyond_the_bound_are_refused_and_known_ones_may_still_change() {
        let mut catalogue = Catalogue::default();
        for index in 0..DECLARED_TOOLS {
            catalogue
                .add(tool(&format!("tool-{index}"), "{}"))
                .expect("there is room");
        }
        let error = catalogue.add(tool("one-more", "{}")).expect_err("there is none");
        assert!(error.to_string().starts_with("100000 tools are known"), "{error}");
        let (_, changed) = catalogue
            .add(tool("tool-7", r#"{"type":"object"}"#))
            .expect("it is known");
        assert!(changed);
    }

    #[test]
    fn a_key_stays_when_its_name_is_declared_later() {
        let catalogue = Catalogue::default();
        let key = catalogue.key(&"echo".into());
        let declared = catalogue.declare(tool("echo", "{}")).expect("good");
        assert_eq!((declared.tool.key, declared.changed), (key, true));
        assert_eq!(declared.catalogue.name(key).as_deref(), Some("echo"));
        assert!(
            catalogue.tool("echo").is_none(),
            "the older snapshot does not change"
        );
        let again = declared.catalogue.declare(tool("echo", "{}")).expect("good");
        assert!(!again.changed && Arc::ptr_eq(&again.tool, &declared.tool));
    }

    #[test]
    fn names_never_declared_are_bounded() {
        let catalogue = Catalogue::default();
        let first = catalogue.key(&"first".into());
        for i in 0..UNDECLARED_NAMES {
            let _ = catalogue.key(&format!("n{i}").into());
        }
        assert_eq!(catalogue.name(first), None);
        assert_ne!(
            catalogue.key(&"first".into()),
            first,
            "a key is never given twice"
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let mut catalogue = Catalogue::default();
        for name in ["read_file", "write_file", "web_search", "calculator"] {
            catalogue = catalogue.declare(tool(name, "")).expect("good").catalogue;
        }
        assert_eq!(
            catalogue.nearest("readfile").first().map(AsRef::as_ref),
            Some("read_file")
        );
        assert!(catalogue.nearest("zzz").is_empty());
    }
}
