//! Writing and reading: round trips, and everything that is not an artifact.

use std::fs;
use std::path::Path;

use reports::artifact::{Artifact, Fuzz, FuzzRun, Metric, Outcome, Payload, Verb, Verify};
use reports::recorder::Recorder;
use reports::store::{
    FILES_MAX, SIZE_MAX_BYTES, Unreadable, is_file_name, is_name, read_all, write_atomically,
};

use crate::folder::Folder;
use crate::invented::Invented;
use crate::put;

fn fuzz(subject: &str) -> Payload {
    Payload::Fuzz(Fuzz { runs: vec![FuzzRun::new("random bytes", 1)], ..Fuzz::new(subject) })
}

/// Writes a valid artifact `fuzz/<subject>.json` and gives its text.
fn record(root: &Path, subject: &str) -> String {
    let recorder = Recorder::start_in(root, Verb::Fuzz, subject, "cargo xtask fuzz").expect("a valid start");
    let path = recorder.finish(Outcome::Passed, fuzz(subject)).expect("a valid end");
    fs::read_to_string(path).expect("what was written can be read")
}

fn only_unreadable(root: &Path) -> Unreadable {
    match <[_; 1]>::try_from(read_all(root)).expect("one file") {
        [Err(unreadable)] => unreadable,
        [Ok(artifact)] => panic!("{} was read", artifact.subject),
    }
}

#[test]
fn what_is_written_is_read_back_to_the_last_bit() {
    fn check(Invented(artifact): Invented) -> bool {
        let text = serde_json::to_string_pretty(&artifact).expect("artifacts are JSON");
        serde_json::from_str::<Artifact>(&text).expect("and are read back") == artifact
    }
    quickcheck::quickcheck(check as fn(Invented) -> bool);
}

#[test]
fn a_recorded_run_says_where_and_how_it_ran() {
    let folder = Folder::new("recorded");
    let mut recorder =
        Recorder::start_in(folder.path(), Verb::Verify, "raft-closed", "cargo xtask verify raft").unwrap();
    recorder.title("Raft, closed").parameter("threads", 2).allocator("mimalloc");
    recorder.metric(Metric::measured("speed", "states per CPU-second", vec![3.0, 1.0, 2.0]));
    let beside = recorder.file_beside("raft.hlog", b"#").expect("a file beside");
    recorder.finish(Outcome::Passed, Payload::Verify(Verify::default())).unwrap();

    let read = read_all(folder.path());
    let [Ok(artifact)] = &read[..] else { panic!("one artifact: {read:?}") };
    assert_eq!((artifact.algorithm.as_str(), artifact.subject.as_str()), ("raft", "raft-closed"));
    assert_eq!(artifact.parameters["threads"], "2");
    assert_eq!(artifact.machine.allocator, "mimalloc");
    assert!(artifact.machine.rustc.starts_with("rustc "), "{}", artifact.machine.rustc);
    assert_eq!((artifact.started.len(), artifact.started.as_bytes()[10]), (20, b'T'));
    assert!((artifact.metrics[0].value - 2.0).abs() < 1e-12);
    assert_eq!(fs::read(folder.path().join("verify").join(beside)).unwrap(), b"#");
    let entries = fs::read_dir(folder.path().join("verify")).unwrap().count();
    assert_eq!(entries, 2, "the artifact and its folder, no left-overs");
}

#[test]
fn a_shard_gets_a_file_of_its_own() {
    let folder = Folder::new("shard");
    for index in [1, 2] {
        let mut recorder = Recorder::start_in(folder.path(), Verb::Fuzz, "raft", "cargo xtask fuzz").unwrap();
        recorder.shard(index, 2);
        let path = recorder.finish(Outcome::Passed, fuzz("raft")).unwrap();
        assert!(path.ends_with(format!("fuzz/raft.{index}-of-2.json")), "{}", path.display());
    }
    assert!(matches!(&read_all(folder.path())[..], [Ok(_), Ok(_)]));
}

#[test]
fn a_number_that_json_cannot_hold_is_refused_and_the_old_artifact_stands() {
    let folder = Folder::new("infinite");
    let old = record(folder.path(), "raft");
    let recorder = Recorder::start_in(folder.path(), Verb::Fuzz, "raft", "cargo xtask fuzz").unwrap();
    let endless = FuzzRun { wall_s: f64::INFINITY, ..FuzzRun::default() };
    let endless = Fuzz { runs: vec![endless], ..Fuzz::default() };
    let error = recorder.finish(Outcome::Passed, Payload::Fuzz(endless)).expect_err("infinity is refused");
    assert!(error.to_string().contains("is every number finite?"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("fuzz/raft.json")).unwrap(), old);
}

#[test]
fn the_payload_must_be_the_verbs_own() {
    let folder = Folder::new("verb");
    let recorder = Recorder::start_in(folder.path(), Verb::Verify, "raft", "cargo xtask verify").unwrap();
    let error = recorder.finish(Outcome::Passed, fuzz("raft")).expect_err("another verb's payload");
    assert!(error.to_string().contains("`verify` cannot end with the payload of `fuzz`"), "{error}");
}

#[test]
fn names_cannot_leave_their_folder() {
    for name in ["raft", "raft-2", "2"] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", "-raft", "Raft", "a/b", "..", "a.b", "a b", "ä", &"a".repeat(81)] {
        assert!(!is_name(name), "{name}");
        assert!(Recorder::start_in(Path::new("unused"), Verb::Fuzz, name, "").is_err(), "{name}");
    }
    assert!(is_file_name("raft-1.hlog.gz"));
    for name in ["..", "../a", ".hidden", "a..b", "a.", "a/b.c"] {
        assert!(!is_file_name(name), "{name}");
    }
}

#[test]
fn a_file_cut_short_is_unreadable_at_its_last_line() {
    let folder = Folder::new("cut");
    let text = record(folder.path(), "raft");
    for length in (0..text.len() - 3).step_by(97) {
        put(&folder, "fuzz/raft.json", &text[..length]);
        let unreadable = only_unreadable(folder.path());
        assert_eq!(unreadable.path, Path::new("fuzz/raft.json"));
        assert_eq!(unreadable.line, Some(text[..length].matches('\n').count() + 1), "{unreadable}");
        // A cut behind the e of an exponent leaves what is no number.
        let reasons = ["EOF", "invalid number"];
        assert!(reasons.iter().any(|reason| unreadable.reason.contains(reason)), "{unreadable}");
    }
}

#[test]
fn what_is_no_artifact_is_named_with_line_and_reason() {
    let folder = Folder::new("broken");
    let text = record(folder.path(), "raft");
    let line_of = |word: &str| text.lines().position(|line| line.contains(word)).map(|line| line + 1);
    let future = text.replace("\"schema\": 2", "\"schema\": 9");
    let verb = text.replace("\"verb\": \"fuzz\"", "\"verb\": \"levitate\"");
    let negative = text.replace("\"executions\": 0", "\"executions\": -1");
    let folder_of_verify = text.replace("\"verb\": \"fuzz\"", "\"verb\": \"verify\"");
    let elsewhere = text.replace("\"subject\": \"raft\"", "\"subject\": \"../raft\"");
    let renamed = text.replace("\"subject\": \"raft\"", "\"subject\": \"pbft\"");
    let nested = "[".repeat(100_000);
    for (content, line, reason) in [
        (&b"\xff\xfe"[..], Some(1), "expected value"),
        (b"{\n  \"schema\": 2\n}", Some(3), "missing field"),
        (b"{\n  \"other\": 1\n}", Some(3), "missing field `schema`"),
        (b"[1, 2]", Some(1), "trailing characters"),
        (b"null", Some(1), "invalid type"),
        (b"{\"schema\": \"1\"}", Some(1), "invalid type: string"),
        (nested.as_bytes(), Some(1), "invalid type"),
        (future.as_bytes(), None, "schema 9; this build reads schema 2"),
        (verb.as_bytes(), line_of("\"verb\""), "unknown variant `levitate`"),
        (negative.as_bytes(), line_of("\"executions\""), "invalid value: integer `-1`"),
        (folder_of_verify.as_bytes(), None, "verb `verify` with the payload of `fuzz`"),
        (elsewhere.as_bytes(), None, "`../raft` is no name"),
        (renamed.as_bytes(), None, "its subject belongs in `pbft.json`"),
    ] {
        put(&folder, "fuzz/raft.json", content);
        let unreadable = only_unreadable(folder.path());
        assert!(unreadable.reason.contains(reason), "{unreadable}");
        assert_eq!(unreadable.line, line, "{unreadable}");
    }
}

#[test]
fn sizes_and_numbers_of_files_are_bounded() {
    let folder = Folder::new("large");
    let path = put(&folder, "fuzz/raft.json", "");
    fs::File::options().write(true).open(path).unwrap().set_len(SIZE_MAX_BYTES + 1).unwrap();
    assert!(only_unreadable(folder.path()).reason.contains("larger than 16 MiB"));

    for number in 0..FILES_MAX {
        put(&folder, &format!("verify/{number}.json"), "");
    }
    put(&folder, "verify/last.json", "");
    let read = read_all(folder.path());
    assert_eq!(read.len(), FILES_MAX + 2, "the large one, a word on the number, and the first of them");
    let said = read[0].as_ref().expect_err("verify comes first");
    assert_eq!(
        said.to_string(),
        format!("verify: {} artifacts; the first {FILES_MAX} by name are read", FILES_MAX + 1)
    );
}

#[test]
#[cfg(unix)]
fn links_are_not_followed() {
    let folder = Folder::new("link");
    record(folder.path(), "raft");
    let (place, elsewhere) = (folder.path().join("fuzz/raft.json"), folder.path().join("elsewhere.json"));
    fs::rename(&place, &elsewhere).unwrap();
    for target in [elsewhere.as_path(), Path::new("/dev/zero")] {
        std::os::unix::fs::symlink(target, &place).unwrap();
        assert!(only_unreadable(folder.path()).reason.contains("not a plain file"), "{}", target.display());
        fs::remove_file(&place).unwrap();
    }
}

#[test]
fn a_broken_file_leaves_the_others_readable() {
    let folder = Folder::new("mixed");
    record(folder.path(), "raft");
    record(folder.path(), "scenario");
    put(&folder, "fuzz/a.json", "{");
    put(&folder, "fuzz/.raft.json.7.tmp", "left over");
    put(&folder, "fuzz/raft/notes.json", "beside, not read");
    put(&folder, "fuzz/readme.txt", "not read");
    let read = read_all(folder.path());
    let subjects: Vec<_> =
        read.iter().map(|read| read.as_ref().map(|artifact| artifact.subject.as_str())).collect();
    assert!(matches!(&subjects[..], [Err(_), Ok("raft"), Ok("scenario")]), "{subjects:?}");
    assert!(read_all(&folder.path().join("absent")).is_empty());
}

#[test]
fn a_failed_write_leaves_the_old_content_and_nothing_beside() {
    let folder = Folder::new("atomic");
    let path = folder.path().join("deep/er/file.txt");
    write_atomically(&path, b"old").unwrap();
    write_atomically(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    // A folder in the file's place: the rename fails after the content was written beside it.
    let blocked = folder.path().join("blocked");
    fs::create_dir_all(blocked.join("inner")).unwrap();
    assert!(write_atomically(&blocked, b"x").is_err());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
