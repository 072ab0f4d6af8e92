//! The routes of the service, and its OpenAPI document.

use poem::{
    Endpoint, EndpointExt, IntoEndpoint, Route, get, handler,
    http::header,
    middleware::{AddData, RequestId, SetHeader},
    put,
    web::{Data, Json},
};
use poem_openapi::OpenApiService;
use serde_json::Value;

use crate::{
    app::App,
    buyers::favourites::FavouritesApi,
    catalogue::{api::CatalogueApi, attributes::api::AttributesApi},
    clients::api::ClientsApi,
    documents::api::DocumentsApi,
    exhibitions::{
        api::ExhibitionsApi, applications::api::ApplicationsApi, call::api::CallApi, onsite::api::OnsiteApi, plan::api::PlanApi,
        results::api::ResultsApi, review::api::ReviewApi, selection::api::SelectionApi,
    },
    http::{
        compression::Compression,
        document::{self, Operations},
        outermost::Outermost,
        problem::Problem,
    },
    identity::{api::IdentityApi, invitations::InvitationsApi},
    media::api::{MediaApi, pass_upload, rendition},
    mentoring::MentoringApi,
    operations::OperationsApi,
    platform::metrics,
    reference::ReferenceApi,
    sme::api::SmeApi,
    storefront::api::StorefrontApi,
    webhooks::api::WebhooksApi,
};

type Everything = (
    (IdentityApi, InvitationsApi, SmeApi, DocumentsApi, CatalogueApi, AttributesApi, MediaApi),
    (ExhibitionsApi, CallApi, ApplicationsApi, PlanApi, ReviewApi, SelectionApi, OnsiteApi, ResultsApi),
    (MentoringApi, ReferenceApi, StorefrontApi, FavouritesApi, ClientsApi, WebhooksApi, OperationsApi),
);

fn service() -> OpenApiService<Everything, ()> {
    let everything = (
        (IdentityApi, InvitationsApi, SmeApi, DocumentsApi, CatalogueApi, AttributesApi, MediaApi),
        (ExhibitionsApi, CallApi, ApplicationsApi, PlanApi, ReviewApi, SelectionApi, OnsiteApi, ResultsApi),
        (MentoringApi, ReferenceApi, StorefrontApi, FavouritesApi, ClientsApi, WebhooksApi, OperationsApi),
    );
    OpenApiService::new(everything, "Etalase", env!("CARGO_PKG_VERSION"))
        .description("The shop window of a trade office and its mentored small businesses: products, photos, exhibitions, and a public storefront.")
}

/// The document as served and exported.
pub fn document() -> Value {
    document::complete::<Problem>(&service().spec())
}

/// The page of the documentation carries its script and styles in itself; no other site may show it in a frame.
const DOCS_POLICY: &str = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Document(std::sync::Arc<Value>);

#[handler]
fn openapi(document: Data<&Document>) -> Json<Value> {
    Json((*document.0.0).clone())
}

/// Metrics for Prometheus, on a listener of their own: they are not for the public.
pub fn metrics(app: &App) -> impl Endpoint + 'static {
    Route::new().at("/metrics", get(figures)).data(app.clone())
}

#[handler]
async fn figures(app: Data<&App>) -> String {
    metrics::render(&app).await
}

/// All routes and the layers around them, ready to be served.
pub fn routes(app: &App) -> impl Endpoint + 'static {
    let service = service();
    let document = document();
    let outermost = Outermost::new(Operations::of(&document), app.config.requests_at_once);
    let mut route = Route::new()
        .nest("/docs", service.swagger_ui().with(SetHeader::new().overriding(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)))
        .at("/openapi.json", get(openapi))
        .at("/media/*key", get(rendition))
        .nest("/", service);
    if app.config.bucket_endpoint.is_none() {
        route = route.at(format!("/{}/uploads/:upload_id", app.config.bucket_name), put(pass_upload));
    }
    route
        .with(Compression)
        .with(AddData::new(Document(document.into())))
        .with(outermost)
        .with(AddData::new(app.clone()))
        .with(RequestId::default())
        .into_endpoint()
}
