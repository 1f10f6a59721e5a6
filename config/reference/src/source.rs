//! Structs and enums as they stand in a crate's source: fields with their types, attributes and doc comments. What
//! it does not understand is an error, so that nothing is left out unseen.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Expr, ExprLit, Fields, GenericArgument, Item, ItemEnum, ItemStruct, Lit, Meta, PathArguments,
    Type, punctuated::Punctuated,
};

use super::{Key, Kind};

/// What people write for a type of the standard library, or for what reads and writes a field.
const KINDS: &[(&str, &str)] = &[
    ("bool", "true or false"),
    ("u32", "whole number"),
    ("u64", "whole number"),
    ("usize", "whole number"),
    ("f64", "number"),
    ("String", "text"),
    ("PathBuf", "path"),
    ("SocketAddr", "address with port"),
    ("duration", "duration"),
    ("optional_duration", "duration"),
    ("size", "size"),
];
/// Numbers whose unit stands in the name of their key.
const UNITS: &[(&str, &str)] = &[("_bytes", "bytes"), ("_ms", "milliseconds")];

/// The types of a crate that can be read from a file.
pub struct Source {
    items: BTreeMap<String, Vec<(PathBuf, Item)>>,
    /// What people write, by the name of a type or of a module that reads and writes a field.
    kinds: BTreeMap<String, String>,
    /// Other names of types.
    aliases: BTreeMap<String, String>,
}

/// Why keys cannot be documented.
#[derive(Debug)]
pub enum SourceError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A file is no Rust.
    Parse(PathBuf, syn::Error),
    /// A key is of a type that is neither known nor, once, in the source.
    UnknownType(String, String),
    /// A key has no doc comment.
    Undocumented(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Parse(path, error) => write!(f, "{} is no Rust: {error}", path.display()),
            Self::UnknownType(key, name) => write!(
                f,
                "`{key}` is of type `{name}`, which is not known; expected a type that is declared once in the crate \
                 and derives Deserialize, or one whose kind is given"
            ),
            Self::Undocumented(key) => write!(f, "`{key}` has no doc comment; expected what it means"),
        }
    }
}

impl std::error::Error for SourceError {}

/// Whether a field holds further keys.
enum Shape<'a> {
    Leaf(String),
    Table(Kind, &'a Path, &'a ItemStruct),
}

// === impl Source ===

impl Source {
    /// Reads every file below a crate's folder `src`. `kinds` are of types that read themselves in a way of their own,
    /// `aliases` of types that are used under another name.
    ///
    /// # Errors
    /// A file cannot be read, or is no Rust.
    pub fn read(
        folder: &Path,
        kinds: &[(&str, &str)],
        aliases: &[(&str, &str)],
    ) -> Result<Self, SourceError> {
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(name, word)| ((*name).to_owned(), (*word).to_owned()))
                .collect()
        };
        let mut source = Self {
            items: BTreeMap::new(),
            kinds: owned(&[KINDS, kinds].concat()),
            aliases: owned(aliases),
        };
        source.add(folder)?;
        Ok(source)
    }

    fn add(&mut self, folder: &Path) -> Result<(), SourceError> {
        let unread = |error| SourceError::Read(folder.to_owned(), error);
        for entry in fs::read_dir(folder).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            if path.is_dir() {
                self.add(&path)?;
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text =
                    fs::read_to_string(&path).map_err(|error| SourceError::Read(path.clone(), error))?;
                let file = syn::parse_file(&text).map_err(|error| SourceError::Parse(path.clone(), error))?;
                for item in file.items {
                    let (name, attributes) = match &item {
                        Item::Struct(item) => (&item.ident, &item.attrs),
                        Item::Enum(item) => (&item.ident, &item.attrs),
                        _ => continue,
                    };
                    if derives_deserialize(attributes) {
                        self.items
                            .entry(name.to_string())
                            .or_default()
                            .push((path.clone(), item));
                    }
                }
            }
        }
        Ok(())
    }

    /// Every key of a struct and of those in it, in the order of the source.
    ///
    /// # Errors
    /// There is no such struct, or a field has a type that is not known, or no doc comment.
    pub fn keys(&self, root: &str, file: &str) -> Result<Vec<Key>, SourceError> {
        let found = self.items.get(root).into_iter().flatten();
        let Some((path, Item::Struct(item))) = found.into_iter().find(|(path, _)| path.ends_with(file))
        else {
            return Err(SourceError::UnknownType(file.to_owned(), root.to_owned()));
        };
        let mut keys = Vec::new();
        self.keys_of(path, item, "", &mut keys)?;
        Ok(keys)
    }

    fn keys_of(
        &self,
        path: &Path,
        item: &ItemStruct,
        prefix: &str,
        keys: &mut Vec<Key>,
    ) -> Result<(), SourceError> {
        for field in &item.fields {
            let Some(ident) = &field.ident else { continue };
            let key = format!("{prefix}{ident}");
            let meaning =
                documentation(&field.attrs).ok_or_else(|| SourceError::Undocumented(key.clone()))?;
            let (inner, is_optional) =
                argument("Option", &field.ty).map_or((&field.ty, false), |inner| (inner, true));
            let words = serde_words(&field.attrs);
            let own = words.iter().find_map(|word| self.kinds.get(word));
            let shape = match own {
                Some(kind) => Some(Shape::Leaf(kind.clone())),
                None => self.shape(path, inner),
            };
            let (kind, below) = match shape {
                Some(Shape::Leaf(kind)) => (Kind::Value(with_unit(&key, kind)), None),
                Some(Shape::Table(kind, path, item)) => (kind, Some((path, item))),
                None => return Err(SourceError::UnknownType(key, name_of(inner))),
            };
            let key = Key {
                key,
                kind,
                meaning,
                is_optional,
            };
            let prefix = key.prefix();
            keys.push(key);
            if let Some((path, item)) = below {
                self.keys_of(path, item, &prefix, keys)?;
            }
        }
        Ok(())
    }

    fn shape(&self, path: &Path, of: &Type) -> Option<Shape<'_>> {
        if let Some(item) = argument("Vec", of) {
            return Some(match self.shape(path, item)? {
                Shape::Table(_, path, item) => Shape::Table(Kind::Tables, path, item),
                Shape::Leaf(kind) => Shape::Leaf(format!("list of {kind}")),
            });
        }
        if let Some(value) = argument("BTreeMap", of) {
            return Some(match self.shape(path, value)? {
                Shape::Table(_, path, item) => Shape::Table(Kind::Named, path, item),
                Shape::Leaf(kind) => Shape::Leaf(format!("table of {kind}")),
            });
        }
        if let Some(inner) = argument("Bound", of) {
            return match self.shape(path, inner)? {
                Shape::Leaf(kind) => Some(Shape::Leaf(format!("{kind}, or \"unlimited\""))),
                Shape::Table(..) => None,
            };
        }
        let name = name_of(of);
        if let Some(kind) = self.kinds.get(&name) {
            return Some(Shape::Leaf(kind.clone()));
        }
        match self.item(path, self.aliases.get(&name).unwrap_or(&name))? {
            (path, Item::Struct(item)) => Some(Shape::Table(Kind::Table, path, item)),
            (_, Item::Enum(item)) => words(item).map(Shape::Leaf),
            _ => None,
        }
    }

    /// What is declared in the same file goes before what is called the same elsewhere, and of that there may be
    /// only one.
    fn item(&self, path: &Path, name: &str) -> Option<(&Path, &Item)> {
        let found = self.items.get(name)?;
        let near = found.iter().find(|(of, _)| of == path);
        let only = || found.first().filter(|_| found.len() == 1);
        near.or_else(only).map(|(path, item)| (path.as_path(), item))
    }
}

/// The last argument of a generic type of this name: of a map, its value.
fn argument<'a>(name: &str, of: &'a Type) -> Option<&'a Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.last()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

fn name_of(of: &Type) -> String {
    let last = match of {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    last.map(|last| last.ident.to_string()).unwrap_or_default()
}

fn with_unit(key: &str, kind: String) -> String {
    let unit = UNITS.iter().find(|(ending, _)| key.ends_with(ending));
    match unit {
        Some((_, unit)) if kind == "whole number" => format!("{kind}, {unit}"),
        _ => kind,
    }
}

/// Words of an enum without data, which serde writes in lower case.
fn words(item: &ItemEnum) -> Option<String> {
    let plain = item
        .variants
        .iter()
        .all(|variant| matches!(variant.fields, Fields::Unit));
    let lower = serde_words(&item.attrs).iter().any(|word| word == "lowercase");
    let words = item.variants.iter().map(|variant| {
        let word = variant.ident.to_string().to_lowercase();
        format!("\"{word}\"")
    });
    (plain && lower).then(|| words.collect::<Vec<_>>().join(" or "))
}

fn derives_deserialize(attributes: &[Attribute]) -> bool {
    let derives = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"));
    let paths = derives.filter_map(|derive| {
        derive
            .parse_args_with(Punctuated::<syn::Path, syn::Token![,]>::parse_terminated)
            .ok()
    });
    let is_it = |path: &syn::Path| {
        path.segments
            .last()
            .is_some_and(|last| last.ident == "Deserialize")
    };
    paths.flatten().any(|path| is_it(&path))
}

/// Words and texts in `#[serde(...)]`, of paths the last part.
fn serde_words(attributes: &[Attribute]) -> Vec<String> {
    let mut words = Vec::new();
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
    {
        // What this does not read, serde does; and its word is held against the keys.
        let _ = attribute.parse_nested_meta(|meta| {
            words.extend(meta.path.get_ident().map(ToString::to_string));
            if let Ok(value) = meta.value() {
                let text: syn::LitStr = value.parse()?;
                words.extend(text.value().rsplit("::").next().map(str::to_owned));
            }
            Ok(())
        });
    }
    words
}

fn documentation(attributes: &[Attribute]) -> Option<String> {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}
