//! What a client that was generated from a descriptor set relies on, as facts that can be compared one by one.
//!
//! It says nothing of comments, of reserved names that are new, or of anything that was only added.

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

/// The package of the contract; what it imports is not ours to keep.
const PACKAGE: &str = "toolwave.v1";

/// What somebody relies on (such as `field 1 of toolwave.v1.Call`), and what it is.
pub(crate) type Facts = BTreeMap<String, String>;

/// Every fact of `old` that `new` does not hold as it was, one line each.
pub(crate) fn breaks(old: &FileDescriptorSet, new: &FileDescriptorSet) -> Vec<String> {
    let new = facts(new);
    let broken = |(what, was): (String, String)| match new.get(&what) {
        Some(is) if *is == was => None,
        Some(is) => Some(format!("{what} was `{was}` and is `{is}`; expected it to stay")),
        None => Some(format!("{what} was `{was}` and is gone; expected it to stay")),
    };
    facts(old).into_iter().filter_map(broken).collect()
}

/// All facts of the package's files.
pub(crate) fn facts(set: &FileDescriptorSet) -> Facts {
    let mut facts = Facts::new();
    for file in set.file.iter().filter(|file| file.package() == PACKAGE) {
        of_file(file, &mut facts);
    }
    facts
}

fn of_file(file: &FileDescriptorProto, facts: &mut Facts) {
    let name = file.name();
    facts.insert(format!("syntax of {name}"), file.syntax().to_owned());
    if let Some(options) = &file.options {
        facts.insert(
            format!("options of {name}"),
            format!(
                "java_multiple_files {}, java_package {:?}, java_outer_classname {:?}, go_package {:?}, \
                 csharp_namespace {:?}",
                options.java_multiple_files(),
                options.java_package(),
                options.java_outer_classname(),
                options.go_package(),
                options.csharp_namespace(),
            ),
        );
    }
    // Code is generated file by file: what moves to another file is gone for whoever includes or imports the first.
    for message in &file.message_type {
        let full = format!("{PACKAGE}.{}", message.name());
        facts.insert(format!("home of {full}"), name.to_owned());
        of_message(message, &full, facts);
    }
    for enumeration in &file.enum_type {
        let full = format!("{PACKAGE}.{}", enumeration.name());
        facts.insert(format!("home of {full}"), name.to_owned());
        of_enum(enumeration, &full, facts);
    }
    for service in &file.service {
        let full = format!("{PACKAGE}.{}", service.name());
        facts.insert(format!("home of {full}"), name.to_owned());
        of_service(service, &full, facts);
    }
}

fn of_message(message: &DescriptorProto, full: &str, facts: &mut Facts) {
    for field in &message.field {
        let what = format!("field {} of {full}", field.number());
        facts.insert(what, told(field, message));
    }
    for range in &message.reserved_range {
        let what = format!("reserved numbers of {full} from {}", range.start());
        facts.insert(what, format!("to before {}", range.end()));
    }
    for name in &message.reserved_name {
        facts.insert(format!("reserved name {name} of {full}"), "reserved".to_owned());
    }
    for nested in &message.nested_type {
        of_message(nested, &format!("{full}.{}", nested.name()), facts);
    }
    for nested in &message.enum_type {
        of_enum(nested, &format!("{full}.{}", nested.name()), facts);
    }
}

/// A field as a .proto file would write it, and its name in JSON.
fn told(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let label = match field.label() {
        Label::Repeated => "repeated ",
        Label::Required => "required ",
        Label::Optional if field.proto3_optional() => "optional ",
        Label::Optional => "",
    };
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let packed = field.options.as_ref().and_then(|options| options.packed);
    let packed = packed.map_or_else(String::new, |packed| format!(" [packed = {packed}]"));
    // The oneof that the compiler makes for `optional` is no part of the contract.
    let oneof = field
        .oneof_index
        .filter(|_| !field.proto3_optional())
        .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
        .map_or_else(String::new, |oneof| format!(" in oneof {}", oneof.name()));
    let (name, json) = (field.name(), field.json_name());
    format!("{label}{kind} {name}{packed}{oneof}, in JSON {json}")
}

fn of_enum(enumeration: &EnumDescriptorProto, full: &str, facts: &mut Facts) {
    for value in &enumeration.value {
        // A number may have several names.
        let what = format!("value {} of {full}", value.name());
        facts.insert(what, value.number().to_string());
    }
    for range in &enumeration.reserved_range {
        let what = format!("reserved numbers of {full} from {}", range.start());
        facts.insert(what, format!("to {}", range.end()));
    }
}

fn of_service(service: &ServiceDescriptorProto, full: &str, facts: &mut Facts) {
    for method in &service.method {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        facts.insert(
            format!("rpc {} of {full}", method.name()),
            format!(
                "({}{}) returns ({}{})",
                stream(method.client_streaming()),
                method.input_type().trim_start_matches('.'),
                stream(method.server_streaming()),
                method.output_type().trim_start_matches('.'),
            ),
        );
    }
}
