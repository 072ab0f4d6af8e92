//! Connections that are held to a least speed: whoever sends half a request and falls silent, or asks for pages and does not read
//! them, gives the connection back, whatever stands in front of the service.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use poem::http::uri::Scheme;
use poem::{
    listener::{Acceptor, TcpAcceptor},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// A side that does nothing for this long is looked at: longer than any request may be worked on, so that waiting for
/// an answer is never taken for silence.
const PATIENCE: Duration = Duration::from_secs(45);
/// Bytes a second that a sender or reader has to keep up over that time: far below any phone's network.
const LEAST_RATE: u64 = 256;
/// What a client begins with that speaks HTTP/2 without having asked (RFC 9113, 3.4). A reader of one stream can't be told from a
/// reader of none there, so that it would hold answers without end; proxies speak HTTP/1.1 to the service.
const PREFACE_OF_HTTP_2: &[u8] = b"PRI * HTTP/2.0";
/// How long to wait after a connection could not be accepted. It stays in the system's queue meanwhile.
const BREATH: Duration = Duration::from_millis(200);

/// Accepts connections that are held to a least speed, and says so when it can't accept.
pub struct Patient {
    inner: TcpAcceptor,
    /// Of the failures that follow each other, only the first is written down.
    is_failing: bool,
}

impl Patient {
    pub fn new(inner: TcpAcceptor) -> Self {
        Self { inner, is_failing: false }
    }
}

impl Acceptor for Patient {
    type Io = Connection;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            match self.inner.accept().await {
                Ok((stream, local, remote, scheme)) => {
                    if std::mem::take(&mut self.is_failing) {
                        tracing::info!("connections are accepted again");
                    }
                    return Ok((Connection::new(stream), local, remote, scheme));
                }
                // Most likely the limit of open files. Those that are connected go on being answered, and each that ends makes
                // room; asking again at once would only take a processor from them.
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(%error, "no further connection can be accepted; is the limit of open files too low?");
                    }
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

/// What one direction has done since it was last asked to do something.
struct Progress {
    since: Instant,
    bytes: u64,
    alarm: Pin<Box<Sleep>>,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { since: now, bytes: 0, alarm: Box::pin(sleep_until(now + PATIENCE)) }
    }

    /// The alarm stays as it is set: most requests are over long before it, and setting it for each would cost more than answering
    /// some of them.
    fn begin(&mut self) {
        self.since = Instant::now();
        self.bytes = 0;
    }

    /// Fails once the patience is over and less was done than has to be.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let due = self.since + PATIENCE;
            if Instant::now() < due {
                self.alarm.as_mut().reset(due);
            } else if self.bytes >= LEAST_RATE * PATIENCE.as_secs() {
                self.begin();
                self.alarm.as_mut().reset(self.since + PATIENCE);
            } else {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// A connection and how fast it is.
pub struct Connection {
    stream: TcpStream,
    /// Whether something was read since something was last written: a request that is not answered yet.
    is_reading: bool,
    reading: Progress,
    is_writing: bool,
    writing: Progress,
    /// How many bytes of the preface of HTTP/2 have come; `None` once it is something else.
    preface: Option<usize>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, is_reading: false, reading: Progress::new(), is_writing: false, writing: Progress::new(), preface: Some(0) }
    }

    /// Whether a client has begun to speak HTTP/2.
    fn begins_http_2(&mut self, bytes: &[u8]) -> bool {
        let Some(come) = self.preface else { return false };
        let rest = &PREFACE_OF_HTTP_2[come..];
        let more = rest.len().min(bytes.len());
        self.preface = (rest[..more] == bytes[..more]).then_some(come + more);
        self.preface == Some(PREFACE_OF_HTTP_2.len())
    }

    /// Looks after what became of a write: one that has to wait for the reader is timed.
    fn poll_written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        // An answer is on its way, so the request was whole.
        self.is_reading = false;
        match written {
            Poll::Ready(Ok(bytes)) => {
                if self.is_writing {
                    self.writing.bytes += bytes as u64;
                    if self.writing.since.elapsed() >= PATIENCE {
                        self.is_writing = false;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if !std::mem::replace(&mut self.is_writing, true) {
                    self.writing.begin();
                }
                self.writing.poll_too_slow(context).map(Err)
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if !std::mem::replace(&mut this.is_reading, true) {
                    this.reading.begin();
                }
                this.reading.bytes += (buffer.filled().len() - before) as u64;
                if this.begins_http_2(&buffer.filled()[before..]) {
                    return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // A connection that waits for its next request is the server's to end.
            Poll::Pending if !this.is_reading => Poll::Pending,
            Poll::Pending => this.reading.poll_too_slow(context).map(Err),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_written(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
