//! Photos are looked at and decoded in processes of their own, under limits: a decoder that crashes, hangs or eats memory
//! takes its process down, never the service. Nothing that somebody sent is inflated outside of them, headers included.
//!
//! A process serves one photo at a time, over its standard input and output, for as long as it behaves:
//!
//! ```text
//! ──▶  length u32 · what u8 · threads u8 · the photo
//! ◀──  length u32 · JSON of the answer · the bytes of each rendition
//! ```

use std::{
    io::{self, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use etalase_pictures::{
    decode::{self, Refusal},
    pipeline::{self, Processed},
};
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufRead, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::model::MOST_BYTES;

/// Name of the subcommand that runs [`serve`].
pub const SUBCOMMAND: &str = "image-worker";
/// Address space of a worker: several times what any photo within the limits takes.
const MOST_ADDRESS_SPACE: u64 = 1024 * 1024 * 1024;
/// A photo that takes longer is given up; twenty times the slowest one within the limits.
pub const LONGEST_JOB: Duration = Duration::from_secs(20);
/// The limit for reading a photo's size from its head, which takes milliseconds.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// A worker ends after this many photos, so that a leak of a decoder stays small.
const JOBS_PER_PROCESS: u32 = 500;
/// The longest JSON of an answer, in bytes. A worker that claims more is not believed.
const LONGEST_HEAD: u32 = 64 * 1024;
const MOST_RENDITIONS: usize = 64;
const MOST_RENDITION_BYTES: usize = 64 * 1024 * 1024;

/// What is wanted of a photo.
#[derive(Clone, Copy)]
enum What {
    /// Its size, from its head.
    Look = 0,
    /// All renditions.
    Process = 1,
}

/// What a worker answers to a look: width and height.
type Looked = Result<(u32, u32), Refusal>;

/// What a worker answers when it was asked for the renditions.
#[derive(Serialize, Deserialize)]
struct Answer {
    processed: Result<Processed, Refusal>,
    /// Lengths of the renditions in bytes, in order.
    lengths: Vec<usize>,
    peak_kib: u64,
}

/// What became of a photo.
pub struct Finished {
    pub processed: Result<Processed, Refusal>,
    /// Most memory that the process has used since it began.
    pub peak_kib: u64,
}

/// A worker did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Crash {
    #[error("the image worker could not be started: {0}")]
    NotStarted(io::Error),
    #[error("the image worker died: {0}")]
    Died(#[from] io::Error),
    #[error("the image worker took longer than {0:?}")]
    Hung(Duration),
}

struct Worker {
    /// Killed when dropped.
    _process: Child,
    input: ChildStdin,
    output: ChildStdout,
    jobs: u32,
}

/// The processes that are idle; one is started when there is none.
pub struct Workers {
    program: PathBuf,
    longest_job: Duration,
    idle: Mutex<Vec<Worker>>,
}

impl Workers {
    /// Workers of `program`, by default of this one.
    pub fn new(program: Option<PathBuf>, longest_job: Duration) -> anyhow::Result<Self> {
        let program = match program {
            Some(program) => program,
            // The running program, even after an upgrade has put another one in its place.
            None if cfg!(target_os = "linux") => "/proc/self/exe".into(),
            None => std::env::current_exe()?,
        };
        Ok(Self { program, longest_job, idle: Mutex::default() })
    }

    /// Makes the renditions of a photo, encoding on up to `threads` threads.
    pub async fn process(&self, photo: &[u8], threads: u8) -> Result<Finished, Crash> {
        let mut worker = self.idle_or_new()?;
        let exchange = tokio::time::timeout(self.longest_job, worker.process(photo, threads)).await;
        let finished = exchange.map_err(|_| Crash::Hung(self.longest_job))??;
        self.done_with(worker);
        Ok(finished)
    }

    /// Reads the size of the photo in a file from its head. The file passes through, so that none of it is held here.
    pub async fn look(&self, photo: &Path) -> Result<Looked, Crash> {
        let mut worker = self.idle_or_new()?;
        let longest = self.longest_job.min(LONGEST_LOOK);
        loop {
            match tokio::time::timeout(longest, worker.look(photo)).await.map_err(|_| Crash::Hung(longest))? {
                // One that was kept may have died of something else, long before.
                Err(_) if worker.jobs > 0 => worker = self.start().map_err(Crash::NotStarted)?,
                looked => {
                    let looked = looked?;
                    self.done_with(worker);
                    return Ok(looked);
                }
            }
        }
    }

    fn idle_or_new(&self) -> Result<Worker, Crash> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        idle.map_or_else(|| self.start().map_err(Crash::NotStarted), Ok)
    }

    /// Keeps a worker that has answered for the next photo.
    fn done_with(&self, mut worker: Worker) {
        worker.jobs += 1;
        if worker.jobs < JOBS_PER_PROCESS
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(worker);
        }
    }

    fn start(&self) -> io::Result<Worker> {
        let mut command = Command::new(&self.program);
        // No secret of the service is in its environment.
        command.arg(SUBCOMMAND).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        Ok(Worker { _process: process, input, output, jobs: 0 })
    }
}

impl Worker {
    /// Sends a photo; returns the JSON that comes back.
    async fn ask<T: DeserializeOwned>(&mut self, what: What, threads: u8, length: u64, mut photo: impl AsyncBufRead + Unpin) -> io::Result<T> {
        self.input.write_u32(u32::try_from(length).map_err(io::Error::other)?).await?;
        self.input.write_all(&[what as u8, threads]).await?;
        tokio::io::copy_buf(&mut photo, &mut self.input).await?;
        self.input.flush().await?;
        let length = self.output.read_u32().await?;
        if length > LONGEST_HEAD {
            return Err(io::Error::other("an answer too long"));
        }
        let mut head = vec![0; length as usize];
        self.output.read_exact(&mut head).await?;
        Ok(serde_json::from_slice(&head)?)
    }

    async fn look(&mut self, photo: &Path) -> io::Result<Looked> {
        let file = tokio::fs::File::open(photo).await?;
        let length = file.metadata().await?.len();
        self.ask(What::Look, 1, length, BufReader::with_capacity(64 * 1024, file)).await
    }

    async fn process(&mut self, photo: &[u8], threads: u8) -> io::Result<Finished> {
        let Answer { mut processed, lengths, peak_kib } = self.ask(What::Process, threads, photo.len() as u64, photo).await?;
        if let Ok(processed) = &mut processed {
            let renditions = &mut processed.renditions;
            let total = lengths.iter().try_fold(0_usize, |total, length| total.checked_add(*length));
            if lengths.len() != renditions.len() || renditions.len() > MOST_RENDITIONS || total.is_none_or(|total| total > MOST_RENDITION_BYTES) {
                return Err(io::Error::other("an answer that contradicts itself"));
            }
            for (rendition, length) in renditions.iter_mut().zip(lengths) {
                rendition.bytes = vec![0; length];
                self.output.read_exact(&mut rendition.bytes).await?;
            }
        }
        Ok(Finished { processed, peak_kib })
    }
}

/// The other end: what the process of the subcommand does until its input ends.
pub fn serve() -> anyhow::Result<()> {
    confine()?;
    // The answer says it; there is nobody to read a trace.
    panic::set_hook(Box::new(|_| {}));
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let mut head = [0; 6];
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let [a, b, c, d, what, threads] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        anyhow::ensure!(u64::from(length) <= MOST_BYTES, "a photo too long");
        let mut photo = vec![0; length as usize];
        input.read_exact(&mut photo)?;
        if what == What::Look as u8 {
            send(&mut output, &judged(|| decode::probe(&photo)))?;
        } else {
            process(&mut output, &photo, threads)?;
        }
        output.flush()?;
    }
}

/// A panic of a decoder is the photo's fault.
fn judged<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Refusal::Damaged))
}

fn send(output: &mut impl Write, answer: &impl Serialize) -> anyhow::Result<()> {
    let head = serde_json::to_vec(answer)?;
    output.write_all(&u32::try_from(head.len())?.to_be_bytes())?;
    output.write_all(&head)?;
    Ok(())
}

/// Makes the renditions and writes them to `output`.
fn process(output: &mut impl Write, photo: &[u8], threads: u8) -> anyhow::Result<()> {
    let processed = judged(|| pipeline::process(photo, usize::from(threads)));
    let lengths = processed.iter().flat_map(|processed| &processed.renditions).map(|rendition| rendition.bytes.len()).collect();
    let answer = Answer { processed, lengths, peak_kib: peak_kib() };
    send(output, &answer)?;
    for rendition in answer.processed.iter().flat_map(|processed| &processed.renditions) {
        output.write_all(&rendition.bytes)?;
    }
    Ok(())
}

/// Takes away from this process what decoding does not need, for good.
fn confine() -> anyhow::Result<()> {
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    for (resource, most) in [(Resource::As, MOST_ADDRESS_SPACE), (Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 16)] {
        setrlimit(resource, limit(most))?;
    }
    // Browsing takes precedence over photos.
    nice(5)?;
    Ok(())
}

/// Most memory used so far (proc(5), VmHWM); 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
