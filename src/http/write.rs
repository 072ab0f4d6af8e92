//! What a writing operation needs of its request: the preconditions and the idempotency key.

use chrono::Duration;
use poem::{
    FromRequest, IntoResponse, Request, RequestBody, Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::ReqId,
};
use poem_openapi::types::ToJSON;

use super::{
    compression::plain_etag,
    outermost::LONGEST,
    reply::{NoContent, Reply},
};
use crate::{
    app::App,
    fault::{CONFIRMATION_REQUIRED, Fault, IF_MATCH_REQUIRED, INVALID_PARAMETER, Outcome, STALE, say},
    identity::{Actor, service::FRESH},
    platform::clock::now,
    work::{
        Core, Work,
        replays::{self, Keyed, Remembered, Taken},
    },
};

/// A request that has not ended by then, well after its timeout, died with its process.
const LONGEST_REQUEST: Duration = Duration::seconds(LONGEST.as_secs() as i64 + 15);

/// The longest idempotency key, in characters.
const LONGEST_KEY: usize = 255;

/// What a writing operation needs of its request.
pub struct Write {
    core: Core,
    request_id: String,
    route: String,
    key: Option<String>,
    if_match: Option<String>,
}

impl<'a> FromRequest<'a> for Write {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        // Several lines of one field are one list (RFC 9110, 5.3).
        let lines = |name: &str| {
            let lines: Vec<&str> = request.headers().get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
            (!lines.is_empty()).then(|| lines.join(", "))
        };
        Ok(Self {
            core: App::of(request)?.core.clone(),
            request_id: request.data::<ReqId>().map(ToString::to_string).unwrap_or_default(),
            route: format!("{} {}", request.method(), request.uri().path()),
            key: idempotency_key(request.headers())?,
            if_match: lines("If-Match"),
        })
    }
}

/// The key of an idempotent request. One that can't be kept is refused rather than ignored: whoever sends it relies on it.
fn idempotency_key(headers: &HeaderMap) -> Outcome<Option<String>> {
    let lines: Vec<&HeaderValue> = headers.get_all("Idempotency-Key").iter().collect();
    let key = match lines[..] {
        [] => return Ok(None),
        [line] => line.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len())),
        _ => None,
    };
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let detail = say(
            format!("Idempotency-Key: satu baris, 1–{LONGEST_KEY} karakter ASCII."),
            format!("Idempotency-Key: one line, 1 to {LONGEST_KEY} characters of ASCII."),
        );
        Fault::new(&INVALID_PARAMETER).detail(detail)
    })
}

impl Write {
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Begins the work of `actor` on a body. A repeated idempotent request is answered at once, as an
    /// early answer in place of the error, if the actor still has every role that it had the first time.
    pub async fn begin(&self, actor: &Actor, body: &[u8]) -> poem::Result<Work> {
        let Some(key) = &self.key else { return Ok(Work::begin(&self.core, &self.request_id).await?) };
        let keyed = Keyed {
            principal: actor.principal().to_string(),
            roles: actor.roles(),
            key,
            parts: [self.route.as_bytes(), body],
            longest: LONGEST_REQUEST,
        };
        match replays::take(&self.core, keyed).await? {
            Taken::First(ticket) => Ok(Work::begin(&self.core, &self.request_id).await?.under(ticket)),
            Taken::Again(remembered) => Err(poem::Error::from_response(replay(remembered)?)),
        }
    }

    /// The same for a sensitive step, which asks that the person of the session has proved to be there within ten minutes: what
    /// a stolen session could not do before it costs its thief a password.
    pub async fn begin_confirmed(&self, actor: &Actor, body: &[u8]) -> poem::Result<Work> {
        if actor.proved_at.is_none_or(|proved| now() - proved > FRESH) {
            let detail =
                say("Kirim kata sandi atau kode ke POST /v1/me/confirm, lalu ulangi.", "Send password or code to POST /v1/me/confirm, then repeat.");
            return Err(Fault::new(&CONFIRMATION_REQUIRED).detail(detail).into());
        }
        self.begin(actor, body).await
    }

    /// Fails unless `If-Match` names the current version: 428 where it is missing, 412 where it is stale.
    pub fn if_match(&self, version: i64) -> Outcome<()> {
        let current = format!("\"{version}\"");
        match self.if_match.as_deref().map(str::trim) {
            None => Err(Fault::new(&IF_MATCH_REQUIRED)
                .with("current_etag", current.into())
                .detail(say("Kirim ETag yang terakhir dibaca di If-Match.", "Send the ETag you last read in If-Match."))),
            Some(given) if given == "*" || given.split(',').any(|tag| plain_etag(tag.trim()) == current) => Ok(()),
            Some(_) => Err(Fault::new(&STALE)
                .with("current_etag", current.into())
                .detail(say("Baca ulang, gabungkan perubahan, lalu kirim lagi.", "Read it again, merge your change, and send it again."))),
        }
    }
}

fn replay(remembered: Remembered) -> Outcome<Response> {
    let status = u16::try_from(remembered.status).map_err(Fault::internal)?;
    let mut response = Response::builder().status(StatusCode::from_u16(status).map_err(Fault::internal)?).header("Idempotent-Replayed", "true");
    if !remembered.body.is_empty() {
        response = response.content_type("application/json");
    }
    for (name, value) in [(header::ETAG, remembered.etag), (header::LOCATION, remembered.location)] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    Ok(response.body(remembered.body).into_response())
}

fn remembered<T, const S: u16>(reply: &Reply<T, S>, body: String) -> Remembered {
    let text = |name| reply.get(name).map(str::to_owned);
    Remembered { status: i64::from(reply.status.as_u16()), etag: text(&header::ETAG), location: text(&header::LOCATION), body }
}

/// The ends of a work that a request asked for.
impl Work {
    /// Commits and answers. The answer is remembered in the same transaction, for a replay.
    pub async fn finish<T, const S: u16>(self, reply: Reply<T, S>) -> poem::Result<Reply<T, S>> {
        self.commit_remembering(|| remembered(&reply, reply.json.clone())).await?;
        Ok(reply)
    }

    /// The same for an answer that holds a secret, which is shown once and never kept: a replay answers what was made, as
    /// `again` says it.
    pub async fn finish_secret<T: ToJSON, const S: u16>(self, reply: Reply<T, S>, again: &T) -> poem::Result<Reply<T, S>> {
        self.commit_remembering(|| remembered(&reply, again.to_json_string())).await?;
        Ok(reply)
    }

    /// Commits and answers 204.
    pub async fn finish_empty(self) -> poem::Result<NoContent> {
        self.commit_remembering(|| Remembered { status: 204, etag: None, location: None, body: String::new() }).await?;
        Ok(NoContent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_one_readable_line_or_the_request_is_refused() {
        let read = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("idempotency-key", HeaderValue::from_bytes(line).expect("a line"));
            }
            idempotency_key(&headers).ok()
        };
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&[b"pesanan-1"]), Some(Some("pesanan-1".into())));
        assert_eq!(read(&[&[b'k'; 255]]), Some(Some("k".repeat(255))));
        let refused: [&[&[u8]]; 5] = [&[b""], &[&[b'k'; 256]], &["kunci-\u{e9}".as_bytes()], &[b"\xff"], &[b"a", b"a"]];
        for lines in refused {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }
}
