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

use super::{
    super::{
        change::{ChangeParameters, DeleteParameters},
        failure::REFUSED,
    },
    stream::WatchParameters,
};
use tidegate_api::StatusError;

const NOT_YET: &str = "stored; not in the maps yet";

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
        let every = every.operation_id(Some(format!("list_all_{plural}")));
        add(&all, HttpMethod::Get, every);
    }
    let id = |verb: &str| Some(format!("{verb}_{}", name.to_ascii_lowercase()));
    let here = reads(&format!("List or watch every {name} here"), &list);
    let here = here.operation_id(Some(format!("list_{plural}")));
    let create = writes(&format!("Create a {name}"), name).operation_id(id("create"));
    let replace = writes(&format!("Replace or create a {name}"), name).operation_id(id("replace"));
    let delete = deletes(&format!("Delete a {name}")).operation_id(id("delete"));
    add(&collection, HttpMethod::Get, here);
    add(&collection, HttpMethod::Post, create);
    let read = reads(&format!("Get or watch a {name}"), name).operation_id(id("get"));
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

/// An operation that takes an object of this type, and answers what became of it.
fn writes(summary: &str, name: &str) -> OperationBuilder {
    let body = RequestBodyBuilder::new().content("application/json", content(name));
    answers(summary, name)
        .response("201", answer("it was not there before", name))
        .response("202", answer(NOT_YET, name))
        .parameters(Some(ChangeParameters::into_params(query)))
        .request_body(Some(body.required(Some(Required::True)).build()))
}

fn deletes(summary: &str) -> OperationBuilder {
    answers(summary, "StatusError")
        .response("202", answer(NOT_YET, "StatusError"))
        .parameters(Some(DeleteParameters::into_params(query)))
}

fn answers(summary: &str, body: &str) -> OperationBuilder {
    OperationBuilder::new()
        .tag("objects")
        .summary(Some(summary))
        .response("200", answer("done", body))
        .response("default", answer(REFUSED, "StatusError"))
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
