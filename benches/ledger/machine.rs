//! What the machine was like while it was measured.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Bytes appended before each sync: a small commit.
const APPEND: [u8; 4096] = [7; 4096];
/// How long the disk is probed.
const PROBE: Duration = Duration::from_secs(1);
/// The kernel counts processor time in hundredths of a second (`proc(5)`, `USER_HZ`).
const TICK_US: u64 = 10_000;

/// Processors this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Load averages of 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Appends of 4 KiB, each followed by `fdatasync`, a second.
pub(crate) fn sync_rate(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("probe");
    let mut file = File::create(&path)?;
    let begun = Instant::now();
    let mut syncs = 0_u32;
    while begun.elapsed() < PROBE {
        file.write_all(&APPEND)?;
        file.sync_data()?;
        syncs += 1;
    }
    let rate = f64::from(syncs) / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// Processor time of this process so far, user and system, in microseconds.
pub(crate) fn cpu_us() -> anyhow::Result<u64> {
    cpu_us_of("self")
}

/// The same of another process.
pub(crate) fn cpu_us_of(process: &str) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name stands in parentheses and may hold spaces.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PROCESS/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks * TICK_US)
}

/// The most memory a process has had so far, in KiB; `None` once it is gone.
pub(crate) fn peak_kib(process: &str) -> Option<u64> {
    status_kib(process, "VmHWM:")
}

/// The memory a process has now, in KiB; `None` once it is gone.
pub(crate) fn resident_kib(process: &str) -> Option<u64> {
    status_kib(process, "VmRSS:")
}

fn status_kib(process: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
