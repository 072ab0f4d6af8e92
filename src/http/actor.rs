//! Who asks. An operation takes [`Member`], or it is public and its path says so: one test over the
//! OpenAPI document holds every operation to that.

use poem::Request;
use poem_openapi::{SecurityScheme, auth::Bearer};

use crate::{
    app::App,
    fault::Fault,
    identity::{self, Actor},
};

/// A signed-in person: `Authorization: Bearer …` with a token from `POST /v1/auth/sign-in`.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", checker = "check")]
pub struct Member(pub Actor);

async fn check(request: &Request, bearer: Bearer) -> poem::Result<Actor> {
    let app = request.data::<App>().ok_or_else(|| Fault::internal(anyhow::anyhow!("no App in request")))?;
    Ok(identity::service::authenticate(app, &bearer.token).await?)
}

impl std::ops::Deref for Member {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}
