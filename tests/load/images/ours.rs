//! Our side of the comparison: `photos FOLDER WORKERS ROUNDS PROGRAM FILE…` makes all renditions of the files, ROUNDS
//! times over, with WORKERS photos at a time, leaves those of the last round in FOLDER, and prints one line of
//! measurements. PROGRAM is the `etalase` whose workers decode, as in service; with `-` they are decoded in this
//! process, which tells what the isolation costs.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use etalase::media::{
    isolation::{LONGEST_JOB, Workers},
    model::Format,
};
use etalase_pictures::pipeline::{self, Processed};

/// Processor time of this process and of those it has waited for, in milliseconds (proc(5); a tick is 10 ms on Linux).
fn processor_ms() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields[11..15].iter().map(|ticks| ticks.parse::<u64>()).sum::<Result<u64, _>>()? * 10)
}

fn peak_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()?)
}

struct Run {
    workers: Option<Workers>,
    photos: Vec<Vec<u8>>,
    next: AtomicUsize,
}

impl Run {
    /// All renditions of a photo, and the most memory that their maker has used, in KiB.
    async fn make(&self, index: usize) -> anyhow::Result<(Processed, u64)> {
        let photo = &self.photos[index % self.photos.len()];
        let threads = std::thread::available_parallelism()?.get();
        let (processed, peak) = match &self.workers {
            Some(workers) => {
                let finished = workers.process(photo, threads as u8).await?;
                (finished.processed, finished.peak_kib)
            }
            None => (tokio::task::block_in_place(|| pipeline::process(photo, threads)), peak_kib()?),
        };
        Ok((processed.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?, peak))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, workers, rounds, program, files @ ..] = arguments.as_slice() else { anyhow::bail!("photos FOLDER WORKERS ROUNDS PROGRAM FILE…") };
    let (folder, at_once, rounds): (PathBuf, usize, usize) = (folder.into(), workers.parse()?, rounds.parse()?);
    std::fs::create_dir_all(&folder)?;
    let photos = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let workers = if program == "-" { None } else { Some(Workers::new(Some(program.into()), LONGEST_JOB)?) };
    let total = rounds * photos.len();
    let run = Arc::new(Run { workers, photos, next: AtomicUsize::new(0) });
    futures_util::future::try_join_all((0..at_once).map(|_| run.make(0))).await?;
    let (begin, processor) = (Instant::now(), processor_ms()?);
    let tasks = (0..at_once).map(|_| {
        let (run, folder) = (Arc::clone(&run), folder.clone());
        tokio::spawn(async move {
            let (mut bytes, mut peak) = (0, 0);
            loop {
                let index = run.next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return anyhow::Ok((bytes, peak));
                }
                let (processed, most) = run.make(index).await?;
                peak = most.max(peak);
                for rendition in processed.renditions {
                    bytes += rendition.bytes.len();
                    if index + run.photos.len() >= total {
                        let name = format!("{}-{}.{}", index % run.photos.len(), rendition.width, Format::from(rendition.format).extension());
                        std::fs::write(folder.join(name), &rendition.bytes)?;
                    }
                }
            }
        })
    });
    let mut sums = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let (bytes, peak) = task.await??;
        sums = (sums.0 + bytes, sums.1.max(peak));
    }
    let wall = begin.elapsed().as_millis() / total as u128;
    let name = if program == "-" { "in-process" } else { "ours" };
    let processor =
        if program == "-" { format!(" and {} ms of processor time", (processor_ms()? - processor) / total as u64) } else { String::new() };
    println!("{name} {at_once} worker(s): {wall} ms{processor} a photo, {} bytes, peak {} MiB", sums.0 / total, sums.1 / 1024);
    Ok(())
}
