//! The embedded S3 server: `s3s` speaks the protocol, this module keeps the objects.
//!
//! One object is one file: four bytes of header length, a JSON header, the body. It is written to a
//! temporary file, synced, renamed into place and its folder synced, so that after `kill -9` or a power
//! cut an object is whole or absent, and its metadata can't part from it. Left-over temporary files are
//! removed at the next start.

pub mod files;

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use futures_util::StreamExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rand::Rng;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::{
        CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectInput, GetObjectOutput, HeadBucketInput,
        HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
        StreamingBlob, Timestamp,
    },
    s3_error,
    service::S3ServiceBuilder,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::io::ReaderStream;

use crate::files::{create_durable, persist};

const SUFFIX: &str = ".object";

/// The server on a loopback port of its own, with keys that live as long as the process.
pub struct EmbeddedServer {
    port: u16,
    access_key: String,
    secret_key: String,
    temporary: PathBuf,
    task: JoinHandle<()>,
}

impl EmbeddedServer {
    /// Serves the objects below `root`.
    pub async fn start(root: &Path) -> anyhow::Result<Self> {
        let store = Store::open(root)?;
        let temporary = store.temporary.path().to_owned();
        let (access_key, secret_key) = (random_key(20), random_key(40));
        let mut builder = S3ServiceBuilder::new(store);
        builder.set_auth(SimpleAuth::from_single(access_key.clone(), secret_key.clone()));
        let service = builder.build();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let connection = auto::Builder::new(TokioExecutor::new());
                    if let Err(error) = connection.serve_connection(TokioIo::new(socket), service).await {
                        tracing::debug!(%error, "embedded bucket: connection ended");
                    }
                });
            }
        });
        Ok(Self { port, access_key, secret_key, temporary, task })
    }

    /// Removes what processes that died were writing. Only for the process that serves, before its first write.
    pub fn clean(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.temporary.parent().unwrap_or(&self.temporary))? {
            let path = entry?.path();
            if path != self.temporary {
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }?;
            }
        }
        Ok(())
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn random_key(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

#[derive(Serialize, Deserialize)]
struct Header {
    content_type: Option<String>,
    etag: String,
    length: u64,
}

struct Store {
    root: PathBuf,
    /// Temporary files of this process: a backup may read beside the service, and neither touches what the other
    /// writes.
    temporary: tempfile::TempDir,
}

struct Found {
    header: Header,
    modified: SystemTime,
    /// Positioned at the first byte of the body.
    file: std::fs::File,
}

impl Store {
    fn open(root: &Path) -> io::Result<Self> {
        let temporary = root.join("tmp");
        std::fs::create_dir_all(&temporary)?;
        Ok(Self { root: root.to_owned(), temporary: tempfile::TempDir::new_in(temporary)? })
    }

    fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let safe = !bucket.is_empty() && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !safe || bucket == "tmp" {
            return Err(s3_error!(InvalidBucketName));
        }
        Ok(self.root.join(bucket))
    }

    fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let safe = key.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        });
        if !safe || key.len() > 512 {
            return Err(s3_error!(InvalidArgument, "keys are made of a-z A-Z 0-9 - _ . and /"));
        }
        Ok(self.bucket(bucket)?.join(format!("{key}{SUFFIX}")))
    }

    async fn write(&self, input: PutObjectInput) -> S3Result<String> {
        let path = self.path(&input.bucket, &input.key)?;
        if !self.bucket(&input.bucket)?.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        let mut body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let mut spool = tempfile::NamedTempFile::new_in(self.temporary.path()).map_err(failed)?;
        let (mut hash, mut length) = (Sha256::new(), 0);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
            hash.update(&chunk);
            length += chunk.len() as u64;
            spool.write_all(&chunk).map_err(failed)?;
        }
        let etag = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let header = Header { content_type: input.content_type, etag: etag.clone(), length };
        tokio::task::spawn_blocking(move || commit(spool, &header, &path))
            .await
            .map_err(|error| s3_error!(InternalError, "{error}"))?
            .map_err(failed)?;
        Ok(etag)
    }

    fn read(&self, bucket: &str, key: &str) -> S3Result<Found> {
        let path = self.path(bucket, key)?;
        let mut file = std::fs::File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => s3_error!(NoSuchKey),
            _ => failed(error),
        })?;
        let modified = file.metadata().and_then(|meta| meta.modified()).map_err(failed)?;
        let header = read_header(&mut file).map_err(failed)?;
        Ok(Found { header, modified, file })
    }

    /// An object as a listing shows it; one that left meanwhile is left out.
    fn entry(&self, bucket: &str, key: String) -> Option<Object> {
        let found = self.read(bucket, &key).ok()?;
        Some(Object {
            key: Some(key),
            size: i64::try_from(found.header.length).ok(),
            last_modified: Some(Timestamp::from(found.modified)),
            e_tag: Some(ETag::Strong(found.header.etag)),
            ..Object::default()
        })
    }

    /// Every key of the bucket that begins with `prefix`, in order.
    fn keys(&self, bucket: &str, prefix: &str) -> S3Result<Vec<String>> {
        let root = self.bucket(bucket)?;
        let (mut keys, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder == root => return Err(s3_error!(NoSuchBucket)),
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let path = entry.map_err(failed)?.path();
                let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str) else { continue };
                if path.is_dir() {
                    if name.starts_with(prefix) || prefix.starts_with(name) {
                        folders.push(path);
                    }
                } else if let Some(key) = name.strip_suffix(SUFFIX)
                    && key.starts_with(prefix)
                {
                    keys.push(key.to_owned());
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }
}

/// Puts header and body together under the final name, durably.
fn commit(mut body: tempfile::NamedTempFile, header: &Header, path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_durable(folder)?;
    let head = serde_json::to_vec(header)?;
    let mut whole = tempfile::NamedTempFile::new_in(body.path().parent().unwrap_or(folder))?;
    whole.write_all(&u32::try_from(head.len()).map_err(io::Error::other)?.to_be_bytes())?;
    whole.write_all(&head)?;
    body.seek(SeekFrom::Start(0))?;
    io::copy(&mut body, &mut whole)?;
    persist(whole, path)
}

fn read_header(file: &mut std::fs::File) -> io::Result<Header> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let mut head = vec![0; u32::from_be_bytes(length).min(64 * 1024) as usize];
    file.read_exact(&mut head)?;
    Ok(serde_json::from_slice(&head)?)
}

/// A full disk and other trouble of ours is "slow down", so that clients come back.
fn failed(error: io::Error) -> s3s::S3Error {
    tracing::error!(%error, "embedded bucket");
    s3_error!(ServiceUnavailable, "{error}")
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        create_durable(&self.bucket(&request.input.bucket)?).map_err(failed)?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        if self.bucket(&request.input.bucket)?.is_dir() { Ok(S3Response::new(HeadBucketOutput::default())) } else { Err(s3_error!(NoSuchBucket)) }
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let etag = self.write(request.input).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let found = self.read(&request.input.bucket, &request.input.key)?;
        let body = ReaderStream::with_capacity(tokio::fs::File::from_std(found.file), 128 * 1024);
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(body)),
            content_length: i64::try_from(found.header.length).ok(),
            content_type: found.header.content_type,
            e_tag: Some(ETag::Strong(found.header.etag)),
            last_modified: Some(Timestamp::from(found.modified)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let found = self.read(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(found.header.length).ok(),
            content_type: found.header.content_type,
            e_tag: Some(ETag::Strong(found.header.etag)),
            last_modified: Some(Timestamp::from(found.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let path = self.path(&request.input.bucket, &request.input.key)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let keys = self.keys(&input.bucket, input.prefix.as_deref().unwrap_or(""))?;
        let after = input.continuation_token.clone().or(input.start_after.clone());
        let most = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or(1000).min(1000);
        let mut page: Vec<String> = keys.into_iter().filter(|key| after.as_ref().is_none_or(|after| key > after)).take(most + 1).collect();
        let truncated = page.len() > most;
        page.truncate(most);
        let next = page.last().cloned().filter(|_| truncated);
        let contents: Vec<Object> = page.into_iter().filter_map(|key| self.entry(&input.bucket, key)).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            key_count: i32::try_from(contents.len()).ok(),
            max_keys: i32::try_from(most).ok(),
            is_truncated: Some(truncated),
            next_continuation_token: next,
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }
}
