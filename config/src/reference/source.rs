//! Structs and enums as they stand in a crate's source: fields with their types, attributes and doc comments. What
//! it does not understand is an error, so that nothing is left out unseen.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Expr, ExprLit, Field, GenericArgument, Item, ItemEnum, ItemStruct, Lit, Meta, PathArguments,
    Type,
};

use super::{Key, Kind};

/// The source of a crate.
pub struct Source {
    structs: BTreeMap<String, Vec<(PathBuf, ItemStruct)>>,
    enums: BTreeMap<String, Vec<(PathBuf, ItemEnum)>>,
    /// Types that write themselves in a way of their own, with how.
    kinds: BTreeMap<String, String>,
}

/// Why a key cannot be documented.
#[derive(Debug)]
pub enum SourceError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A file is no Rust.
    Parse(PathBuf, syn::Error),
    /// A field's type is neither in the source nor known.
    UnknownType(String, String),
    /// A field has no doc comment.
    Undocumented(String),
}

/// Whether a field holds further keys.
enum Shape {
    Leaf(String),
    Table(PathBuf, Box<ItemStruct>),
    List(PathBuf, Box<ItemStruct>),
    Named(PathBuf, Box<ItemStruct>),
}

// === impl Source ===

impl Source {
    /// Reads every file below a crate's folder `src`.
    ///
    /// # Errors
    /// A file cannot be read, or is no Rust.
    pub fn read(folder: &Path, kinds: &[(&str, &str)]) -> Result<Self, SourceError> {
        let kinds = kinds.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
        let mut source = Self {
            structs: BTreeMap::new(),
            enums: BTreeMap::new(),
            kinds: kinds.collect(),
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
                let text = fs::read_to_string(&path).map_err(|error| SourceError::Read(path.clone(), error))?;
                // Most files have nothing to do with settings.
                if text.contains("Deserialize") {
                    let file = syn::parse_file(&text).map_err(|error| SourceError::Parse(path.clone(), error))?;
                    self.add_items(&path, file.items);
                }
            }
        }
        Ok(())
    }

    fn add_items(&mut self, path: &Path, items: Vec<Item>) {
        for item in items {
            match item {
                Item::Struct(item) => {
                    let of = self.structs.entry(item.ident.to_string()).or_default();
                    of.push((path.to_owned(), item));
                }
                Item::Enum(item) => {
                    let of = self.enums.entry(item.ident.to_string()).or_default();
                    of.push((path.to_owned(), item));
                }
                _ => {}
            }
        }
    }

    /// Every key of a struct and of those in it, in the order of the source.
    ///
    /// # Errors
    /// A field has a type that is not known, or no doc comment.
    pub fn keys(&self, root: &str, file: &str) -> Result<Vec<Key>, SourceError> {
        let found = self.structs.get(root).into_iter().flatten();
        let found = found.into_iter().find(|(path, _)| path.ends_with(file));
        let (path, item) =
            found.ok_or_else(|| SourceError::UnknownType(file.to_owned(), root.to_owned()))?;
        let mut keys = Vec::new();
        self.keys_of(path, item, "", &mut keys)?;
        Ok(keys)
    }

    fn keys_of(&self, path: &Path, item: &ItemStruct, prefix: &str, keys: &mut Vec<Key>) -> Result<(), SourceError> {
        let whole_default = serde_words(&item.attrs).iter().any(|word| word == "default");
        for field in &item.fields {
            let Some(ident) = &field.ident else { continue };
            let key = format!("{prefix}{ident}");
            let words = serde_words(&field.attrs);
            let (inner, optional) = unwrap("Option", &field.ty).map_or((&field.ty, false), |inner| (inner, true));
            let meaning = documentation(&field.attrs).ok_or_else(|| SourceError::Undocumented(key.clone()))?;
            let shape = self.shape(path, &key, field, inner)?;
            let (kind, below) = match shape {
                Shape::Leaf(kind) => (Kind::Value(kind), None),
                Shape::Table(path, item) => (Kind::Table, Some((path, item))),
                Shape::List(path, item) => (Kind::Tables, Some((path, item))),
                Shape::Named(path, item) => (Kind::Named, Some((path, item))),
            };
            let key = Key {
                key,
                kind,
                meaning,
                required: !optional && !whole_default && !words.iter().any(|word| word == "default"),
            };
            let prefix = key.prefix();
            keys.push(key);
            if let Some((path, item)) = below {
                self.keys_of(&path, &item, &prefix, keys)?;
            }
        }
        Ok(())
    }

    fn shape(&self, path: &Path, key: &str, field: &Field, of: &Type) -> Result<Shape, SourceError> {
        if let Some(item) = unwrap("Vec", of) {
            return Ok(match self.named(path, key, field, item)? {
                Shape::Table(path, item) => Shape::List(path, item),
                Shape::Leaf(kind) => Shape::Leaf(format!("list of {kind}")),
                other => other,
            });
        }
        if let Some(value) = unwrap("BTreeMap", of) {
            return Ok(match self.named(path, key, field, value)? {
                Shape::Table(path, item) => Shape::Named(path, item),
                Shape::Leaf(kind) => Shape::Leaf(format!("table of {kind}")),
                other => other,
            });
        }
        self.named(path, key, field, of)
    }

    fn named(&self, path: &Path, key: &str, field: &Field, of: &Type) -> Result<Shape, SourceError> {
        let unknown = || SourceError::UnknownType(key.to_owned(), name_of(of));
        let name = name_of(of);
        if serde_words(&field.attrs).iter().any(|word| word == "size") {
            return Ok(Shape::Leaf("size".to_owned()));
        }
        if let Some(inner) = unwrap("Bound", of) {
            let Shape::Leaf(kind) = self.named(path, key, field, inner)? else {
                return Err(unknown());
            };
            return Ok(Shape::Leaf(format!("{kind}, or \"unlimited\"")));
        }
        if let Some(kind) = self.kinds.get(&name) {
            // Another name of a struct, or a way of its own.
            return match kind.strip_prefix("struct ") {
                Some(known) => self.table(path, known).ok_or_else(unknown),
                None => Ok(Shape::Leaf(kind.clone())),
            };
        }
        let kind = match name.as_str() {
            "bool" => "true or false",
            "u8" | "u16" | "u32" | "u64" | "usize" => "whole number",
            "f64" => "number",
            "String" => "text",
            "PathBuf" => "path",
            "SocketAddr" => "address with port",
            "Duration" => "duration",
            _ => {
                let words = nearest(self.enums.get(&name), path).map(|(_, item)| words(item));
                return match words {
                    Some(words) => Ok(Shape::Leaf(words)),
                    None => self.table(path, &name).ok_or_else(unknown),
                };
            }
        };
        Ok(Shape::Leaf(kind.to_owned()))
    }

    fn table(&self, path: &Path, name: &str) -> Option<Shape> {
        let (path, item) = nearest(self.structs.get(name), path)?;
        Some(Shape::Table(path.clone(), Box::new(item.clone())))
    }
}

/// What is declared in the same file goes before what is called the same elsewhere.
fn nearest<'a, T>(found: Option<&'a Vec<(PathBuf, T)>>, path: &Path) -> Option<&'a (PathBuf, T)> {
    let found = found?;
    found.iter().find(|(of, _)| of == path).or_else(|| found.first())
}

/// The only argument of a generic type of this name; of a map, its value.
fn unwrap<'a>(name: &str, of: &'a Type) -> Option<&'a Type> {
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
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
    .unwrap_or_default()
}

/// Words of an enum without data, as serde writes them here.
fn words(item: &ItemEnum) -> String {
    let words = item.variants.iter().map(|variant| {
        let word = variant.ident.to_string().to_lowercase();
        format!("\"{word}\"")
    });
    words.collect::<Vec<_>>().join(" or ")
}

/// Words and texts in `#[serde(...)]`, of paths the last part.
fn serde_words(attributes: &[Attribute]) -> Vec<String> {
    let mut words = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // An attribute that this does not read is one that serde itself reads.
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
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}
