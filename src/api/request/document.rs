//! What the `OpenAPI` document says of a request's body.

use serde::Serialize;
use utoipa::openapi::schema::Object;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::NAMES;
use crate::placement::Size;

/// A database that is asked for.
///
/// For the document: a body is read loosely, so that everything that is wrong with it can be told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(description = "A database that is asked for.")]
#[schema(example = json!({
    "namespace": "orders", "name": "orders-db", "cell": "payments", "tier": "C1", "environment": "prod",
    "size": "medium", "storageGB": 50, "ha": true,
}))]
pub struct Database {
    /// Your namespace.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    namespace: String,
    /// The database's name.
    #[schema(
        min_length = 1,
        max_length = 63,
        pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    )]
    name: String,
    /// Your cell, which is one of the catalog's.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9-]+$")]
    cell: String,
    /// The service tier, which is one of the catalog's; in capitals or not.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-zA-Z0-9-]+$")]
    tier: String,
    /// The environment, which is one of your cell's.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9-]+$")]
    environment: String,
    /// The instance's size.
    #[schema(schema_with = sizes)]
    size: Size,
    /// Storage in GiB.
    #[serde(rename = "storageGB")]
    #[schema(minimum = 50, maximum = 16384)]
    storage_gb: u16,
    /// Asks for a standby in another zone; null is false.
    #[schema(default = false)]
    ha: Option<bool>,
}

/// A database that might be asked for: the same, but for the names, which it need not have.
pub struct Question;

impl PartialSchema for Question {
    fn schema() -> RefOr<Schema> {
        let mut schema = Database::schema();
        if let RefOr::T(Schema::Object(database)) = &mut schema {
            database.required.retain(|field| !NAMES.contains(&field.as_str()));
            database.description = Some("A database that might be asked for.".to_owned());
        }
        schema
    }
}

impl ToSchema for Question {}

/// The words of [`Size`].
fn sizes() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The instance's size."))
        .enum_values(Some(Size::ALL.map(Size::as_str)))
        .build()
}
