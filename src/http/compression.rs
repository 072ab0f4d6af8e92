//! Content codings (RFC 9110, 8.4 and 12.5.3): answers are compressed as the client asks for, bodies may come compressed.

use std::io;

use async_compression::{
    Level,
    tokio::bufread::{BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use poem::{
    Body, Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader};

use super::{essence, is_photo, weights::weighted};
use crate::fault::{Fault, UNSUPPORTED_MEDIA, say};

/// What is smaller than this is not worth compressing: the headers are as long.
const SMALLEST: usize = 512;
/// A body of at most this length is coded as a whole, and sent as it is if that does not make it smaller. Longer texts become
/// smaller, and are coded as they are sent.
const LONGEST_WHOLE: usize = 64 * 1024;

/// How an answer is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    /// Its name in `Content-Encoding`, which is also what an ETag of the coded answer ends with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// The one that the client likes best, over all lines of `Accept-Encoding`; of equal ones the smallest. What it does not
    /// name has the weight of `*`, or is not wanted; identity is always possible, and the last choice unless it is preferred.
    pub fn asked_for(headers: &HeaderMap) -> Self {
        let weights: Vec<(&str, u16)> = weighted(headers, &header::ACCEPT_ENCODING).filter_map(|(name, weight)| Some((name, weight?))).collect();
        let of = |name: &str| {
            let named = |wanted: &str| weights.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, weight)| *weight);
            named(name).or_else(|| if name == "gzip" { named("x-gzip") } else { None }).or_else(|| named("*"))
        };
        let (brotli, gzip) = (of("br").unwrap_or(0), of("gzip").unwrap_or(0));
        let best = brotli.max(gzip);
        let identity = weights.iter().find(|(name, _)| name.eq_ignore_ascii_case("identity")).map_or(0, |(_, weight)| *weight);
        if best == 0 || identity > best {
            Self::Identity
        } else if brotli == best {
            Self::Brotli
        } else {
            Self::Gzip
        }
    }

    fn encode<'a>(self, reader: impl AsyncBufRead + Send + Unpin + 'a) -> Box<dyn AsyncRead + Send + Unpin + 'a> {
        match self {
            Self::Identity => Box::new(reader),
            // The least at which it is never larger than gzip at its default, measured on parts of the document of all lengths: at
            // 4 nearly a third of them were, by up to 13 %, and at 5 a few.
            Self::Brotli => Box::new(BrotliEncoder::with_quality(reader, Level::Precise(6))),
            Self::Gzip => Box::new(GzipEncoder::new(reader)),
        }
    }

    /// The coded body, unless it would be no smaller.
    async fn encode_whole(self, body: &Bytes) -> io::Result<Option<Vec<u8>>> {
        let mut coded = Vec::with_capacity(body.len());
        self.encode(&body[..]).read_to_end(&mut coded).await?;
        Ok(Some(coded).filter(|coded| coded.len() < body.len()))
    }
}

/// The ETag of a coded answer is another one than that of the plain answer (RFC 9110, 8.8.3.3).
fn coded_etag(etag: &HeaderValue, coding: Coding) -> Option<HeaderValue> {
    let tag = etag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::try_from(format!("{tag}-{}\"", coding.name())).ok()
}

/// The ETag of the resource, of whichever coding it was read in.
pub fn plain_etag(tag: &str) -> String {
    let inner = tag.strip_suffix('"').unwrap_or(tag);
    let plain = [Coding::Gzip, Coding::Brotli].iter().find_map(|coding| inner.strip_suffix(coding.name())?.strip_suffix('-'));
    plain.map_or_else(|| tag.to_owned(), |plain| format!("{plain}\""))
}

/// Whether compressing it makes it smaller: text does, photos and workbooks are compressed already.
fn is_compressible(response: &Response) -> bool {
    let kind = essence(response.content_type());
    let is_text = kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(kind.as_str(), "application/json" | "application/xml" | "application/x-ndjson" | "application/javascript");
    is_text && !response.headers().contains_key(header::CONTENT_ENCODING) && !response.headers().contains_key(header::CONTENT_RANGE)
}

fn vary_by_encoding(headers: &mut HeaderMap) {
    let is_said = headers
        .get_all(header::VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("accept-encoding")));
    if !is_said {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

pub struct Compression;

impl<E: Endpoint> Middleware<E> for Compression {
    type Output = CompressionEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CompressionEndpoint { inner }
    }
}

pub struct CompressionEndpoint<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for CompressionEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let (coding, is_head) = (Coding::asked_for(request.headers()), *request.method() == Method::HEAD);
        decode(&mut request)?;
        let mut response = self.inner.call(request).await?.into_response();
        if !is_compressible(&response) {
            return Ok(response);
        }
        vary_by_encoding(response.headers_mut());
        if coding == Coding::Identity || response.status() != StatusCode::OK {
            return Ok(response);
        }
        // What is answered to HEAD has lost its body; its header is that of most answers to GET.
        if !is_head && !code(&mut response, coding).await.map_err(Fault::internal)? {
            return Ok(response);
        }
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        if let Some(etag) = headers.get(header::ETAG).and_then(|etag| coded_etag(etag, coding)) {
            headers.insert(header::ETAG, etag);
        }
        Ok(response)
    }
}

/// Codes the body of a response; false if it is better sent as it is.
async fn code(response: &mut Response, coding: Coding) -> io::Result<bool> {
    match take_whole(response.take_body()).await? {
        Err(long) => {
            response.set_body(Body::from_async_read(coding.encode(BufReader::new(long.into_async_read()))));
            Ok(true)
        }
        Ok(body) => {
            let coded = if body.len() < SMALLEST { None } else { coding.encode_whole(&body).await? };
            let is_coded = coded.is_some();
            response.set_body(coded.map_or_else(|| Body::from_bytes(body), Body::from_vec));
            Ok(is_coded)
        }
    }
}

/// The bytes of a body, or the body itself if it is longer than what is coded as a whole.
async fn take_whole(body: Body) -> io::Result<std::result::Result<Bytes, Body>> {
    let mut chunks = Box::pin(body.into_bytes_stream());
    let mut taken = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if taken.len() + chunk.len() > LONGEST_WHOLE {
            let begin = stream::iter([Ok::<_, io::Error>(taken.freeze()), Ok(chunk)]);
            return Ok(Err(Body::from_bytes_stream(begin.chain(chunks))));
        }
        taken.extend_from_slice(&chunk);
    }
    Ok(Ok(taken.freeze()))
}

/// Unpacks the body, as it is read: whoever reads it bounds how much. Of several codings, which are one list over all lines, one
/// may be a real one.
fn decode(request: &mut Request) -> Result<()> {
    let lines = request.headers().get_all(header::CONTENT_ENCODING).iter();
    let names = lines.flat_map(|line| line.to_str().unwrap_or("unreadable").split(','));
    let names = names.map(|name| name.trim().to_ascii_lowercase());
    let codings: Vec<String> = names.filter(|name| !matches!(name.as_str(), "" | "identity")).collect();
    let Some(first) = codings.first() else { return Ok(()) };
    // Photos are packed already, and a sender is held to a least rate in the bytes that it sends.
    if is_photo(request.content_type()) {
        let detail = say("Kirim foto apa adanya, tanpa Content-Encoding.", "Send photos as they are, without Content-Encoding.");
        return Err(Fault::new(&UNSUPPORTED_MEDIA).detail(detail).into());
    }
    let packed = BufReader::new(request.take_body().into_async_read());
    let unpacked = match first.as_str() {
        "gzip" | "x-gzip" if codings.len() == 1 => Body::from_async_read(GzipDecoder::new(packed)),
        "br" if codings.len() == 1 => Body::from_async_read(BrotliDecoder::new(packed)),
        _ => {
            let detail = say("Kirim gzip, br, atau tanpa kompresi.", "Send gzip, br, or uncompressed.");
            return Err(Fault::new(&UNSUPPORTED_MEDIA).detail(detail).into());
        }
    };
    request.set_body(unpacked);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[&'static str]) -> Coding {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        Coding::asked_for(&headers)
    }

    #[test]
    fn the_coding_follows_the_weights_over_all_lines() {
        use Coding::{Brotli, Gzip, Identity};
        for (lines, expected) in [
            (&[][..], Identity),
            (&["gzip, deflate, br"], Brotli),
            (&["br;q=0"], Identity),
            (&["br;q=0, gzip"], Gzip),
            (&["br;q=0.1, gzip; q=0.5"], Gzip),
            (&["gzip", "br"], Brotli),
            (&["*"], Brotli),
            (&["*;q=0"], Identity),
            (&["*, br;q=0"], Gzip),
            (&["identity, gzip;q=0.5"], Identity),
            (&["GZIP ;Q=1"], Gzip),
            (&["x-gzip"], Gzip),
            (&["zstd, deflate"], Identity),
            (&["br;q=2", "gzip;q=x"], Identity),
        ] {
            assert_eq!(asked(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_coded_etag_names_its_coding_and_is_read_as_the_plain_one() {
        let coded = coded_etag(&HeaderValue::from_static("\"7-id\""), Coding::Brotli).expect("a tag");
        assert_eq!(coded, "\"7-id-br\"");
        for tag in ["\"7-id-br\"", "\"7-id-gzip\"", "\"7-id\""] {
            assert_eq!(plain_etag(tag), "\"7-id\"");
        }
    }
    /// How a text of so many bytes is answered to a client that asks for this coding.
    async fn answered(coding: &'static str, body: Vec<u8>) -> (Option<HeaderValue>, usize) {
        let answer = poem::endpoint::make_sync(move |_| body.clone().with_content_type("application/json"));
        let request = Request::builder().header("accept-encoding", coding).finish();
        let mut response = Compression.transform(answer).call(request).await.expect("an answer");
        let coded = response.headers().get(header::CONTENT_ENCODING).cloned();
        (coded, response.take_body().into_bytes().await.expect("a body").len())
    }

    #[tokio::test]
    async fn a_coding_is_used_only_where_it_makes_the_answer_smaller() {
        for length in [0, 1, 100, SMALLEST - 1] {
            assert_eq!(answered("br", vec![b'a'; length]).await, (None, length));
        }
        // Numbers that follow each other without a pattern can't be made smaller.
        let noise = |length: usize| {
            (0..length).scan(1_u32, |state, _| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Some((*state >> 24) as u8)
            })
        };
        assert_eq!(answered("gzip", noise(2_000).collect()).await, (None, 2_000));
        assert_eq!(answered("br", noise(2_000).collect()).await, (None, 2_000));
        for length in [SMALLEST, LONGEST_WHOLE, LONGEST_WHOLE + 1, 10 * LONGEST_WHOLE] {
            let text: Vec<u8> =
                (0_u32..).flat_map(|n| format!("{{\"id\": {}}},", n.wrapping_mul(2_654_435_761) % 10_000).into_bytes()).take(length).collect();
            let (gzip, brotli) = (answered("gzip", text.clone()).await, answered("br", text).await);
            assert!(gzip.0.is_some_and(|coding| coding == "gzip") && brotli.0.is_some_and(|coding| coding == "br"), "{length}");
            assert!(brotli.1 <= gzip.1 && gzip.1 < length, "{} {} {length}", brotli.1, gzip.1);
        }
    }

    #[test]
    fn a_body_may_have_one_coding_and_identity_counts_for_nothing() {
        for (lines, is_taken) in [
            (&[][..], true),
            (&["identity"], true),
            (&["gzip"], true),
            (&["GZIP"], true),
            (&["identity, br"], true),
            (&["identity", "x-gzip"], true),
            (&["gzip, gzip"], false),
            (&["gzip", "br"], false),
            (&["zstd"], false),
            (&["gz\u{e9}p"], false),
        ] {
            let mut request = Request::builder().finish();
            for line in lines {
                request.headers_mut().append(header::CONTENT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).expect("a line"));
            }
            assert_eq!(decode(&mut request).is_ok(), is_taken, "{lines:?}");
        }
    }
}
