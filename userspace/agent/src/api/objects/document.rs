//! The objects' part of the OpenAPI document: the same routes for each kind.

use tidegate_control::Kind;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        Content, ContentBuilder, HttpMethod, OpenApi, Ref, RefOr, Required, ResponseBuilder,
        Schema,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{AdditionalProperties, ArrayBuilder, Components, ObjectBuilder, Type},
    },
};

use super::{super::change::ChangeParameters, stream::WatchParameters};
use tidegate_api::StatusError;

/// The path of a kind's collection, in which objects are made.
pub(super) fn collection(kind: Kind, plural: &str) -> String {
    if kind.is_namespaced() {
        format!("/v1/namespaces/{{namespace}}/{plural}")
    } else {
        format!("/v1/{plural}")
    }
}

/// Adds a kind's routes and types.
pub(super) fn describe(document: &mut OpenApi, kind: Kind, plural: &str) {
    let name = kind.name();
    let list = format!("{name}List");
    add_types(document, kind, &list);
    let all = format!("/v1/{plural}");
    let collection = collection(kind, plural);
    let one = format!("{collection}/{{name}}");
    let mut add = |path: &str, method: HttpMethod, operation: OperationBuilder| {
        let operation: Operation = operation.parameters(Some(in_path(path))).build();
        document
            .paths
            .add_path_operation(path, vec![method], operation);
    };
    if all != collection {
        let every = reads(&format!("List or watch every {name}"), &list);
        add(&all, HttpMethod::Get, every);
    }
    let here = reads(&format!("List or watch every {name} here"), &list);
    let create = takes(writes(&format!("Create a {name}"), name), name);
    let replace = takes(writes(&format!("Replace or create a {name}"), name), name);
    let delete = writes(&format!("Delete a {name}"), "StatusError");
    add(&collection, HttpMethod::Get, here);
    add(&collection, HttpMethod::Post, create);
    let read = reads(&format!("Get or watch a {name}"), name);
    add(&one, HttpMethod::Get, read);
    add(&one, HttpMethod::Put, replace);
    add(&one, HttpMethod::Delete, delete);
}

fn add_types(document: &mut OpenApi, kind: Kind, list: &str) {
    let components = document.components.get_or_insert_with(Components::new);
    let mut types = vec![
        (kind.name().to_owned(), object(kind)),
        (list.to_owned(), list_of(kind.name())),
        (StatusError::name().into_owned(), StatusError::schema()),
    ];
    StatusError::schemas(&mut types);
    components.schemas.extend(types);
}

/// An operation that reads, and answers this type.
fn reads(summary: &str, body: &str) -> OperationBuilder {
    answers(summary, body).parameters(Some(WatchParameters::into_params(query)))
}

/// An operation that writes.
fn writes(summary: &str, body: &str) -> OperationBuilder {
    answers(summary, body).parameters(Some(ChangeParameters::into_params(query)))
}

fn answers(summary: &str, body: &str) -> OperationBuilder {
    OperationBuilder::new()
        .tag("objects")
        .summary(Some(summary))
        .response("200", answer("done", body))
        .response("default", answer("refused", "StatusError"))
}

/// The operation, with a body of this type.
fn takes(operation: OperationBuilder, name: &str) -> OperationBuilder {
    let body = RequestBodyBuilder::new().content("application/json", content(name));
    operation.request_body(Some(body.required(Some(Required::True)).build()))
}

fn query() -> Option<ParameterIn> {
    Some(ParameterIn::Query)
}

fn in_path(path: &str) -> Vec<Parameter> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build()
        })
        .collect()
}

fn answer(description: &str, body: &str) -> utoipa::openapi::Response {
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content(body))
        .build()
}

fn content(schema: &str) -> Content {
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .build()
}

/// Kubernetes' own type, whose fields Kubernetes' documentation tells.
fn object(kind: Kind) -> RefOr<Schema> {
    let word = || ObjectBuilder::new().schema_type(Type::String);
    ObjectBuilder::new()
        .description(Some(format!(
            "Kubernetes' {} {}",
            kind.api_version(),
            kind.name()
        )))
        .property("apiVersion", word().enum_values(Some([kind.api_version()])))
        .property("kind", word().enum_values(Some([kind.name()])))
        .property("metadata", ObjectBuilder::new().schema_type(Type::Object))
        .required("metadata")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .into()
}

fn list_of(name: &str) -> RefOr<Schema> {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(name));
    ObjectBuilder::new()
        .property("apiVersion", ObjectBuilder::new().schema_type(Type::String))
        .property("kind", ObjectBuilder::new().schema_type(Type::String))
        .property("metadata", ObjectBuilder::new().schema_type(Type::Object))
        .property("items", items)
        .required("items")
        .into()
}
