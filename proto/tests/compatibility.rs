//! Nothing that a client of the last release relies on is taken away or changed.
//!
//! `baseline/toolwave-v1.binpb` holds the contract of the last release. CONTRIBUTING.md says when it is renewed:
//! `UPDATE_BASELINE=1 cargo test -p toolwave-proto --test compatibility`. `proto/ci` asks `buf` the same.

#[path = "compatibility/facts.rs"]
mod facts;

use std::{fs, path::Path};

use facts::{breaks, facts};
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

const EXECUTION: &str = "toolwave/v1/execution.proto";

fn current() -> FileDescriptorSet {
    let files = ["execution", "tool", "worker", "admin"].map(|f| format!("toolwave/v1/{f}.proto"));
    let mut set = protox::compile(files, [env!("CARGO_MANIFEST_DIR")]).expect("the .proto files compile");
    for file in &mut set.file {
        // Comments and places are no part of the contract.
        file.source_code_info = None;
    }
    set
}

#[test]
fn what_clients_of_the_last_release_rely_on_is_still_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline/toolwave-v1.binpb");
    if std::env::var_os("UPDATE_BASELINE").is_some() {
        fs::write(&path, current().encode_to_vec()).expect("the baseline is writable");
    }
    let baseline = fs::read(&path).expect("the baseline is there");
    let baseline = FileDescriptorSet::decode(baseline.as_slice()).expect("the baseline is a descriptor set");
    assert!(facts(&baseline).len() > 200, "the baseline holds the contract");
    let breaks = breaks(&baseline, &current());
    assert!(
        breaks.is_empty(),
        "clients of the last release break: add instead, and keep what is there\n{}",
        breaks.join("\n")
    );
}

/// An edit of the contract, and the fact that must be told as broken by it.
type Edit = (&'static str, fn(&mut FileDescriptorSet));

const BREAKING: &[Edit] = &[
    ("home of toolwave.v1.Call was", |set| {
        file(set).message_type.retain(|message| message.name() != "Call");
    }),
    (
        "home of toolwave.v1.Wave was `toolwave/v1/execution.proto` and is `toolwave/v1/tool.proto`",
        |set| {
            let moved = message(set, "Wave").clone();
            file(set).message_type.retain(|message| message.name() != "Wave");
            let tool = set
                .file
                .iter_mut()
                .find(|file| file.name() == "toolwave/v1/tool.proto");
            tool.expect("tool.proto").message_type.push(moved);
        },
    ),
    (
        "syntax of toolwave/v1/admin.proto was `proto3` and is gone",
        |set| {
            set.file.retain(|file| file.name() != "toolwave/v1/admin.proto");
        },
    ),
    ("options of toolwave/v1/execution.proto was", |set| {
        file(set).options.as_mut().expect("options").java_multiple_files = Some(false);
    }),
    (
        "field 6 of toolwave.v1.Call was `int32 priority, in JSON priority` and is gone",
        |set| {
            message(set, "Call")
                .field
                .retain(|field| field.name() != "priority");
        },
    ),
    (
        "field 6 of toolwave.v1.Call was `int32 priority, in JSON priority` and is gone",
        |set| {
            field(set, "Call", "priority").number = Some(60);
        },
    ),
    ("and is `int32 urgency, in JSON urgency`", |set| {
        let field = field(set, "Call", "priority");
        field.name = Some("urgency".to_owned());
        field.json_name = Some("urgency".to_owned());
    }),
    ("and is `int32 priority, in JSON prio`", |set| {
        field(set, "Call", "priority").json_name = Some("prio".to_owned());
    }),
    ("and is `int64 priority, in JSON priority`", |set| {
        field(set, "Call", "priority").set_type(Type::Int64);
    }),
    ("and is `toolwave.v1.Effect retry, in JSON retry`", |set| {
        field(set, "Call", "retry").type_name = Some(".toolwave.v1.Effect".to_owned());
    }),
    ("and is `repeated int32 priority, in JSON priority`", |set| {
        field(set, "Call", "priority").set_label(Label::Repeated);
    }),
    (
        "was `optional string id, in JSON id` and is `string id, in JSON id`",
        |set| {
            field(set, "Call", "id").proto3_optional = None;
            field(set, "Call", "id").oneof_index = None;
        },
    ),
    (
        "was `int32 priority, in JSON priority` and is `int32 priority in oneof parameters_form",
        |set| {
            field(set, "Call", "priority").oneof_index = Some(0);
        },
    ),
    (
        "was `bytes parameters_json in oneof parameters_form, in JSON parametersJson` and is `bytes",
        |set| {
            field(set, "Call", "parameters_json").oneof_index = None;
        },
    ),
    (
        "in oneof parameters_form, in JSON parameters` and is `google.protobuf.Struct parameters in oneof form",
        |set| {
            message(set, "Call").oneof_decl[0].name = Some("form".to_owned());
        },
    ),
    (
        "value OUTCOME_SKIPPED of toolwave.v1.Outcome was `7` and is gone",
        |set| {
            outcome(set)
                .value
                .retain(|value| value.name() != "OUTCOME_SKIPPED");
        },
    ),
    (
        "value OUTCOME_SKIPPED of toolwave.v1.Outcome was `7` and is gone",
        |set| {
            outcome(set).value[7].name = Some("OUTCOME_LEFT_OUT".to_owned());
        },
    ),
    (
        "value OUTCOME_SKIPPED of toolwave.v1.Outcome was `7` and is `70`",
        |set| {
            outcome(set).value[7].number = Some(70);
        },
    ),
    ("home of toolwave.v1.Outcome was", |set| {
        file(set)
            .enum_type
            .retain(|enumeration| enumeration.name() != "Outcome");
    }),
    ("home of toolwave.v1.ExecutionService was", |set| {
        file(set).service.clear();
    }),
    ("rpc ListTools of toolwave.v1.ExecutionService was", |set| {
        service(set).method.retain(|method| method.name() != "ListTools");
    }),
    (
        "and is `(toolwave.v1.ListToolsRequest) returns (stream toolwave.v1.ListToolsResponse)`",
        |set| {
            method(set, "ListTools").server_streaming = Some(true);
        },
    ),
    (
        "and is `(toolwave.v1.ListToolsRequest) returns (toolwave.v1.Tool)`",
        |set| {
            method(set, "ListTools").output_type = Some(".toolwave.v1.Tool".to_owned());
        },
    ),
    (
        "and is `(toolwave.v1.Tool) returns (toolwave.v1.ListToolsResponse)`",
        |set| {
            method(set, "ListTools").input_type = Some(".toolwave.v1.Tool".to_owned());
        },
    ),
];

#[test]
fn every_kind_of_breaking_change_is_told() {
    for (number, (told, edit)) in BREAKING.iter().enumerate() {
        let mut edited = current();
        edit(&mut edited);
        let breaks = breaks(&current(), &edited);
        assert!(
            breaks.iter().any(|line| line.contains(told)),
            "edit {number}: expected `{told}`, found\n{}",
            breaks.join("\n")
        );
    }
}

#[test]
fn what_is_added_breaks_nothing() {
    let mut edited = current();
    message(&mut edited, "Call").field.push(FieldDescriptorProto {
        name: Some("colour".to_owned()),
        json_name: Some("colour".to_owned()),
        number: Some(100),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        // Another form of parameters beside those that are there.
        oneof_index: Some(0),
        ..Default::default()
    });
    outcome(&mut edited).value.push(EnumValueDescriptorProto {
        name: Some("OUTCOME_POSTPONED".to_owned()),
        number: Some(10),
        options: None,
    });
    service(&mut edited).method.push(MethodDescriptorProto {
        name: Some("Rehearse".to_owned()),
        input_type: Some(".toolwave.v1.Rehearsal".to_owned()),
        output_type: Some(".toolwave.v1.Rehearsal".to_owned()),
        ..Default::default()
    });
    file(&mut edited).message_type.push(DescriptorProto {
        name: Some("Rehearsal".to_owned()),
        ..Default::default()
    });
    edited.file.push(FileDescriptorProto {
        name: Some("toolwave/v1/more.proto".to_owned()),
        package: Some("toolwave.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    });
    assert_eq!(breaks(&current(), &edited), Vec::<String>::new());
    assert!(
        !breaks(&edited, &current()).is_empty(),
        "the other way round it is taken away"
    );
}

fn file(set: &mut FileDescriptorSet) -> &mut FileDescriptorProto {
    let mut files = set.file.iter_mut();
    files
        .find(|file| file.name() == EXECUTION)
        .expect("execution.proto")
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let mut messages = file(set).message_type.iter_mut();
    messages
        .find(|message| message.name() == name)
        .expect("the message")
}

fn field<'a>(set: &'a mut FileDescriptorSet, of: &str, name: &str) -> &'a mut FieldDescriptorProto {
    let mut fields = message(set, of).field.iter_mut();
    fields.find(|field| field.name() == name).expect("the field")
}

fn outcome(set: &mut FileDescriptorSet) -> &mut EnumDescriptorProto {
    let mut enums = file(set).enum_type.iter_mut();
    enums
        .find(|enumeration| enumeration.name() == "Outcome")
        .expect("Outcome")
}

fn service(set: &mut FileDescriptorSet) -> &mut ServiceDescriptorProto {
    file(set).service.first_mut().expect("a service")
}

fn method<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut MethodDescriptorProto {
    let mut methods = service(set).method.iter_mut();
    methods.find(|method| method.name() == name).expect("the method")
}
