//! What criterion leaves in a folder, as benchmarks of an artifact.
//!
//! Read are `<benchmark>/new/{benchmark,estimates,sample}.json`: the name, the figure that criterion prints (the
//! slope where it fits one, else the mean) with its interval, and the raw samples. Files of earlier runs are
//! left out by their time. Verified by a folder written by hand and by broken ones; not verified: that a later
//! criterion writes the same, so that a file that is not understood is an error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::artifact::{Bench, Benchmark, Interval, Metric};

/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 4 << 20;
/// The deepest folder that is looked into: group, function and value stand in one another.
const DEPTH_MAX: u32 = 6;

#[derive(Deserialize)]
struct Name {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
    slope: Option<Estimate>,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Confidence,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Confidence {
    #[serde(rename = "confidence_level")]
    level: f64,
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// The benchmarks below `folder` that were written at or after `since`, by name.
///
/// # Errors
/// The first file that cannot be read or understood.
pub fn read(folder: &Path, since: SystemTime) -> io::Result<Bench> {
    let mut found = Vec::new();
    collect(folder, DEPTH_MAX, &mut found)?;
    let mut benchmarks = Vec::new();
    for folder in found {
        let estimates = folder.join("estimates.json");
        if fs::metadata(&estimates)?.modified()? >= since {
            benchmarks.push(benchmark(&folder)?);
        }
    }
    benchmarks.sort_by(|a: &Benchmark, b| a.name.cmp(&b.name));
    Ok(Bench { base: None, benchmarks })
}

/// The folders `new` below this one.
fn collect(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        if entry.file_name() == "new" && path.join("estimates.json").is_file() {
            found.push(path);
        } else if depth > 0 {
            collect(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn benchmark(folder: &Path) -> io::Result<Benchmark> {
    let name: Name = json(&folder.join("benchmark.json"))?;
    let estimates: Estimates = json(&folder.join("estimates.json"))?;
    let sample: Sample = json(&folder.join("sample.json"))?;
    let (figure, estimate) = match estimates.slope {
        Some(slope) => ("time of one, slope over the samples", slope),
        None => ("time of one, mean of the samples", estimates.mean),
    };
    let Confidence { level: confidence, lower_bound: low, upper_bound: high } = estimate.confidence_interval;
    let figure = Metric {
        interval: Some(Interval { low, high, confidence }),
        samples: sample.times.iter().zip(&sample.iters).map(|(time, count)| time / count).collect(),
        ..Metric::counted(figure, estimate.point_estimate, "ns")
    };
    Ok(Benchmark { name: name.full_id, figure, against: None })
}

fn json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let refused =
        |reason: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()));
    let length = fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
    if length > BYTES_MAX {
        return Err(refused(format!("{length} bytes are no file of criterion's")));
    }
    let text = fs::read(path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ESTIMATE: &str = r#"{"confidence_interval":{"confidence_level":0.95,"lower_bound":9.0,"upper_bound":12.0},
        "point_estimate":10.5,"standard_error":0.1}"#;

    fn put(folder: &Path, name: &str, slope: &str) {
        let new = folder.join(name).join("new");
        fs::create_dir_all(&new).unwrap();
        let full = format!(r#"{{"group_id":"g","full_id":"{name}","directory_name":"d"}}"#);
        fs::write(new.join("benchmark.json"), full).unwrap();
        let estimates = format!(r#"{{"mean":{ESTIMATE},"median":{ESTIMATE},"slope":{slope}}}"#);
        fs::write(new.join("estimates.json"), estimates).unwrap();
        let sample = r#"{"sampling_mode":"Linear","iters":[1.0,2.0],"times":[10.0,22.0]}"#;
        fs::write(new.join("sample.json"), sample).unwrap();
    }

    #[test]
    fn what_criterion_wrote_in_this_run_is_read() {
        let folder = std::env::temp_dir().join(format!("reports-criterion-{}", std::process::id()));
        let long_ago = SystemTime::UNIX_EPOCH;
        assert_eq!(read(&folder, long_ago).unwrap(), Bench::default(), "no folder, no benchmarks");
        put(&folder, "step/append", &ESTIMATE.replace("10.5", "11.5"));
        put(&folder, "log/append of 16/64", "null");
        let bench = read(&folder, long_ago).unwrap();
        let [log, step] = &bench.benchmarks[..] else { panic!("{bench:?}") };
        assert_eq!((log.name.as_str(), log.figure.value), ("log/append of 16/64", 10.5));
        assert_eq!((step.name.as_str(), step.figure.value), ("step/append", 11.5));
        assert_eq!(step.figure.interval, Some(Interval { low: 9.0, high: 12.0, confidence: 0.95 }));
        assert_eq!(step.figure.samples, [10.0, 11.0]);

        let later = SystemTime::now() + Duration::from_mins(1);
        assert_eq!(read(&folder, later).unwrap().benchmarks, [], "of an earlier run");

        fs::write(folder.join("step/append/new/sample.json"), "{}").unwrap();
        let error = read(&folder, long_ago).unwrap_err().to_string();
        assert!(error.contains("sample.json: missing field `iters`"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
