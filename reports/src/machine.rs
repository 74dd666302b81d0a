//! The machine that figures come from, and what the kernel says of this process.
//!
//! All of it is read from `/proc` and `/sys`. What a system does not tell is absent, never guessed; on other
//! systems than Linux nearly all of it is absent. Verified by parsing fixed texts and by plausibility on the
//! machine that runs the tests.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What does not change while a verb runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Processors that the system schedules on.
    pub threads: Option<u32>,
    /// Distinct cores among them.
    pub cores: Option<u32>,
    /// The clock rate of the first processor when asked, in MHz.
    pub mhz: Option<f64>,
    /// The frequency governor of the first processor.
    pub governor: Option<String>,
    /// The last-level cache, as the kernel writes it.
    pub cache: Option<String>,
    /// The microcode's revision.
    pub microcode: Option<String>,
    /// Whether this is a virtual machine.
    pub hypervisor: Option<bool>,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// What the kernel reads time from.
    pub clocksource: Option<String>,
    /// The allocator of the binary.
    pub allocator: String,
    /// The compiler that built the binary.
    pub rustc: String,
    /// The platform that it was built for.
    pub target: String,
    /// Profile and optimisation level of the build.
    pub profile: String,
    /// Compiler flags beyond the profile; `none` if there are none.
    pub flags: String,
}

impl Fingerprint {
    /// Reads this machine, and what the build noted of itself.
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = CpuInfo::parse(&cpuinfo);
        Fingerprint {
            governor: line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            memory_bytes: kib_of("/proc/meminfo", "MemTotal"),
            kernel: line_of("/proc/sys/kernel/osrelease"),
            clocksource: line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            allocator: "system".to_owned(),
            rustc: env!("BUILD_RUSTC").to_owned(),
            target: env!("BUILD_TARGET").to_owned(),
            profile: format!("{}, opt-level {}", env!("BUILD_PROFILE"), env!("BUILD_OPT")),
            flags: env!("BUILD_FLAGS").to_owned(),
            ..cpu
        }
    }
}

/// The part of a [`Fingerprint`] that `/proc/cpuinfo` holds.
struct CpuInfo;

impl CpuInfo {
    fn parse(cpuinfo: &str) -> Fingerprint {
        let fields =
            || cpuinfo.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.trim(), v.trim()));
        let first = |name: &str| fields().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
        let threads = fields().filter(|(key, _)| *key == "processor").count() as u32;
        let mut package = "";
        let mut cores = BTreeSet::new();
        for (key, value) in fields() {
            match key {
                "physical id" => package = value,
                "core id" => drop(cores.insert((package, value))),
                _ => {}
            }
        }
        Fingerprint {
            cpu: first("model name"),
            threads: (threads > 0).then_some(threads),
            cores: (!cores.is_empty()).then_some(cores.len() as u32),
            mhz: first("cpu MHz").and_then(|mhz| mhz.parse().ok()),
            cache: first("cache size"),
            microcode: first("microcode"),
            hypervisor: first("flags").map(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            ..Fingerprint::default()
        }
    }
}

/// How busy the machine was while a verb ran: what a reader must know before trusting a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Load average over one minute at the start.
    pub load_start: Option<f64>,
    /// Load average over one minute at the end: this run included.
    pub load_end: Option<f64>,
    /// The share of CPU time that the hypervisor gave to others during the run, 0 to 1.
    pub steal_share: Option<f64>,
}

/// The load average over the last minute.
pub(crate) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Ticks that all processors spent so far, and those of them that the hypervisor gave to others.
pub(crate) fn total_and_stolen_ticks() -> Option<(u64, u64)> {
    parse_stat_line(&fs::read_to_string("/proc/stat").ok()?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal, and guest times
/// that are counted in user and nice already.
fn parse_stat_line(stat: &str) -> Option<(u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((ticks.iter().sum(), *ticks.get(7)?))
}

/// The CPU time that this process has used, all threads and ended ones included. Steps of a clock tick
/// (usually 10 ms). Costs some microseconds.
pub fn process_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = parse_process_ticks(&stat)?;
    Some(Duration::from_nanos(ticks * (1_000_000_000 / ticks_per_second())))
}

/// User and system time of `/proc/self/stat`. The command's name, in parentheses, may hold anything.
fn parse_process_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

/// Clock ticks per second, from the auxiliary vector; 100, which Linux uses everywhere today, where that
/// cannot be read.
fn ticks_per_second() -> u64 {
    const AT_CLKTCK: u64 = 17;
    let vector = fs::read("/proc/self/auxv").unwrap_or_default();
    let mut words = vector.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == AT_CLKTCK && (1..=1_000_000).contains(&value) {
            return value;
        }
    }
    100
}

/// The CPU time that the calling thread has used, in nanoseconds' resolution. Costs some microseconds.
pub fn thread_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
}

/// The most memory of this process that was ever resident, in bytes.
pub fn peak_memory() -> Option<u64> {
    kib_of("/proc/self/status", "VmHWM")
}

/// The memory of this process that is resident now, in bytes.
pub fn resident_memory() -> Option<u64> {
    kib_of("/proc/self/status", "VmRSS")
}

/// A file's first line, if it says anything.
fn line_of(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// A field `Name:  123 kB` of a file, in bytes.
fn kib_of(path: &str, name: &str) -> Option<u64> {
    parse_kib(&fs::read_to_string(path).ok()?, name)
}

fn parse_kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpuinfo_of_two_threads_on_one_core() {
        let processor = |id: u32| {
            format!(
                "processor\t: {id}\nmodel name\t: A: B\ncpu MHz\t\t: 2300.5\ncache size\t: 512 KB\nphysical id\t: 0\n\
                 core id\t\t: 3\nmicrocode\t: 0x1\nflags\t\t: fpu hypervisor sse\n\n"
            )
        };
        let read = CpuInfo::parse(&(processor(0) + &processor(1)));
        assert_eq!((read.threads, read.cores, read.hypervisor), (Some(2), Some(1), Some(true)));
        assert_eq!((read.cpu.as_deref(), read.mhz), (Some("A: B"), Some(2300.5)));
    }

    #[test]
    fn what_is_not_told_is_absent() {
        assert_eq!(CpuInfo::parse("nonsense\n:\n"), Fingerprint::default());
        assert_eq!(parse_kib("VmHWM:\tmany kB", "VmHWM"), None);
        assert_eq!(parse_kib("VmHWM: 99999999999999999999 kB", "VmHWM"), None);
        assert_eq!(parse_stat_line("cpu 1 2"), None);
        assert_eq!(parse_process_ticks("1 (a"), None);
    }

    #[test]
    fn fields_of_proc_are_found() {
        assert_eq!(parse_kib("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n", "VmHWM"), Some(2 << 20));
        assert_eq!(parse_stat_line("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1"), Some((36, 8)));
        let stat = "1 (a) b) S 1 1 1 0 -1 4 5 0 0 0 30 12 0 0 20 0";
        assert_eq!(parse_process_ticks(stat), Some(42));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cpu_time_and_memory_grow_with_work() {
        let mut numbers: Vec<u64> = (0..1 << 20).collect();
        let (thread, process) = (thread_cpu().expect("Linux tells"), process_cpu().expect("Linux tells"));
        let has_grown = (0..100_000).any(|_| {
            for number in std::hint::black_box(&mut numbers) {
                *number = number.wrapping_mul(3);
            }
            thread_cpu().expect("Linux tells") >= thread + Duration::from_millis(30)
        });
        assert!(has_grown);
        assert!(process_cpu().expect("Linux tells") >= process + Duration::from_millis(10));
        assert!(peak_memory().expect("Linux tells") >= 8 << 20);
        assert!(resident_memory().expect("Linux tells") <= peak_memory().expect("Linux tells"));
    }
}
