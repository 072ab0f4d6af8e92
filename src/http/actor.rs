//! The caller of an operation. An operation takes [`Member`], or [`Caller`] if secret keys may call it as well, or it
//! is public and its path says so: one test over the OpenAPI document holds every operation to that.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{SecurityScheme, auth::Bearer};

use crate::{
    app::App,
    clients::model::{Client, SECRET_PREFIX},
    fault::{FORBIDDEN, Fault, say},
    identity::{self, Actor},
};

/// A signed-in person: `Authorization: Bearer …` with a token from `POST /v1/auth/sign-in`.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", checker = "check")]
pub struct Member(pub Actor);

/// A signed-in person, or a program: `Authorization: Bearer …` with a session's token or a secret key.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", checker = "check_caller")]
pub struct Caller(pub Actor);

async fn check_caller(request: &Request, bearer: Bearer) -> poem::Result<Actor> {
    match request.data::<Arc<Client>>() {
        Some(client) => Ok(identity::service::by_key(App::of(request)?, client).await?),
        None => check(request, bearer).await,
    }
}

async fn check(request: &Request, bearer: Bearer) -> poem::Result<Actor> {
    if bearer.token.starts_with(SECRET_PREFIX) {
        let detail = say("Operasi ini hanya untuk orang, bukan kunci API.", "This operation is for people, not for API keys.");
        return Err(Fault::new(&FORBIDDEN).detail(detail).into());
    }
    Ok(identity::service::authenticate(App::of(request)?, &bearer.token).await?)
}

impl std::ops::Deref for Member {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl std::ops::Deref for Caller {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}
