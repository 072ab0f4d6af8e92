//! Our side of the comparison: `photos FOLDER WORKERS ROUNDS FILE…` makes all renditions of the files, ROUNDS times
//! over, with WORKERS photos at a time, leaves those of the last round in FOLDER, and prints one line of figures.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use anyhow::Context;
use etalase::media::pipeline;

/// Processor time of this process, user and system, in milliseconds (proc(5); a tick is 10 ms on Linux).
fn processor_ms() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<u64>()? + fields[12].parse::<u64>()?) * 10)
}

fn peak_mib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, workers, rounds, files @ ..] = arguments.as_slice() else { anyhow::bail!("photos FOLDER WORKERS ROUNDS FILE…") };
    let (folder, workers, rounds): (PathBuf, usize, usize) = (folder.into(), workers.parse()?, rounds.parse()?);
    std::fs::create_dir_all(&folder)?;
    let photos = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let threads = std::thread::available_parallelism()?.get();
    let run = |index: usize| pipeline::process(&photos[index % photos.len()], threads).map_err(|refusal| anyhow::anyhow!("{refusal:?}"));
    run(0)?;
    let (next, bytes, begin, processor) = (AtomicUsize::new(0), AtomicUsize::new(0), Instant::now(), processor_ms()?);
    let total = rounds * photos.len();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let worker = || -> anyhow::Result<()> {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return Ok(());
                }
                for rendition in run(index)?.renditions {
                    bytes.fetch_add(rendition.bytes.len(), Ordering::Relaxed);
                    if index + photos.len() >= total {
                        let name = format!("{}-{}.{}", index % photos.len(), rendition.width, rendition.format.extension());
                        std::fs::write(folder.join(name), &rendition.bytes)?;
                    }
                }
            }
        };
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(worker)).collect();
        worker()?;
        for other in others {
            other.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })?;
    let wall = begin.elapsed().as_millis() / total as u128;
    let (processor, bytes) = ((processor_ms()? - processor) / total as u64, bytes.into_inner() / total);
    println!("ours {workers} worker(s): {wall} ms and {processor} ms of processor time a photo, {bytes} bytes, peak {} MiB", peak_mib()?);
    Ok(())
}
