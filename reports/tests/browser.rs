//! The pages in a real browser: opened from disk, on a phone's width and a desk's, as a reader would.
//!
//! A copy of each page gets a probe: a second script that measures the page after the first has run. The
//! copies stand in frames of a given width. Checked: no sideways scroll at 360 pixels, no message on the
//! console (a broken script, or anything that the content security policy had to stop), nothing loaded from
//! anywhere, sorting works. With `REPORTS_AXE=FILE`, the path of axe-core's `axe.min.js`, its rules of
//! accessibility are checked, too. Skipped aloud where no Chromium is found, `REPORTS_SKIP_BROWSER` is set, or,
//! of axe, where `REPORTS_AXE` is not; `REPORTS_KEEP_SITE=DIR` leaves the sample site in a folder to be looked
//! at.

#[path = "it/folder.rs"]
mod folder;
#[path = "it/sample.rs"]
mod sample;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use folder::Folder;
use reports::site::Site;

const PAGES: [&str; 4] = ["index", "raft", "harness", "method"];
const WIDTHS: [u32; 2] = [360, 1200];

/// Measures a page and tells the frame around it.
const PROBE: &str = "<script nonce='probe'>addEventListener('load', () => {
  let sorted = 0;
  for (const table of document.querySelectorAll('table.sort')) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.classList.contains('n')) return;
      head.querySelector('button').click();
      const cells = [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v);
      const values = cells.filter((value) => value !== undefined).map(Number);
      if (values.some((value, i) => i && values[i - 1] > value)) sorted = NaN;
      sorted += 1;
    });
  }
  parent.postMessage({
    page: location.pathname.split('/').pop(),
    width: innerWidth,
    scroll: document.documentElement.scrollWidth,
    loaded: performance.getEntriesByType('resource').length,
    sorted,
  }, '*');
});</script></body>";

/// Runs axe, which stands in a script before it, on a page with everything unfolded, and tells the frame around
/// it what breaks a rule.
const AXE_PROBE: &str = "<script nonce='probe'>addEventListener('load', async () => {
  for (const folded of document.querySelectorAll('details')) folded.open = true;
  const { violations, passes } = await axe.run(document, { resultTypes: ['violations'] });
  const told = violations.map((rule) => rule.id + ': ' + rule.nodes[0].html).join(' ; ');
  parent.postMessage({
    page: location.pathname.split('/').pop(),
    width: innerWidth,
    scroll: passes.length,
    loaded: violations.length,
    sorted: told,
  }, '*');
});</script></body>";

/// Shows every page in frames and writes down what their probes say.
fn frame_page() -> String {
    let frames: Vec<String> = PAGES
        .iter()
        .flat_map(|page| {
            WIDTHS.map(|width| format!("<iframe src='probe-{page}.html' width={width} height=800></iframe>"))
        })
        .collect();
    let script = "<script>addEventListener('message', ({ data }) => {
      const line = document.createElement('p');
      line.textContent = 'PROBE ' + [data.page, data.width, data.scroll, data.loaded, data.sorted].join(' | ');
      document.body.append(line);
    });</script>";
    format!("<!doctype html><style>iframe {{ border: 0 }}</style>{script}<body>{}</body>", frames.concat())
}

fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    names
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// Opens a page from disk, without a profile of its own and with every host unreachable, and gives the
/// document as it then is and the console's messages.
fn open(browser: &str, profile: &Path, page: &Path) -> Output {
    let url = format!("file://{}", page.display());
    let profile = format!("--user-data-dir={}", profile.display());
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr",
        "--window-size=1300,900",
        "--virtual-time-budget=4000",
        "--dump-dom",
    ];
    let arguments = flags.iter().map(OsStr::new).chain([OsStr::new(&profile), OsStr::new(&url)]);
    Command::new(browser).args(arguments).output().expect("the browser starts")
}

/// A browser, or the reason, said aloud, why `test` does not run.
fn browser_for(test: &str) -> Option<&'static str> {
    let reason = if std::env::var_os("REPORTS_SKIP_BROWSER").is_some() {
        "REPORTS_SKIP_BROWSER is set"
    } else {
        match chromium() {
            Some(browser) => return Some(browser),
            None => "no Chromium (Debian: apt-get install chromium)",
        }
    };
    eprintln!("SKIPPED {test}: {reason}");
    None
}

/// A sample of everything, artifacts that broke something included, as a site.
fn sample_site(folder: &Folder) -> PathBuf {
    sample::write(folder.path()).expect("the sample can be written");
    sample::write_trouble(folder.path()).expect("the trouble too");
    let site = Site::read(folder.path(), None);
    let out = folder.path().join("report");
    site.write(folder.path(), &out).expect("the site can be written");
    if let Some(kept) = std::env::var_os("REPORTS_KEEP_SITE") {
        site.write(folder.path(), Path::new(&kept)).expect("the site can be written twice");
    }
    out
}

/// Opens all pages with this probe in frames, and gives what the probes say and the console's messages.
fn probed(browser: &str, folder: &Folder, out: &Path, probe: &str) -> (Vec<Vec<String>>, Vec<String>) {
    for page in PAGES {
        let text = fs::read_to_string(out.join(format!("{page}.html"))).expect("the page is there");
        // The page's own script must run by its digest; the probe is let in beside it by a nonce. Both quotes
        // of the policy are escaped in the page.
        let probed = text.replacen("script-src ", "script-src 'nonce-probe' ", 1).replace("</body>", probe);
        fs::write(out.join(format!("probe-{page}.html")), probed).expect("a copy");
    }
    let frames = out.join("frames.html");
    fs::write(&frames, frame_page()).expect("the frames");
    let output = open(browser, &folder.path().join("profile"), &frames);
    let (document, console) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let messages = console.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let probes: Vec<Vec<String>> = document
        .split("PROBE ")
        .skip(1)
        .map(|line| line.split("</p>").next().unwrap_or(line).split(" | ").map(str::to_owned).collect())
        .filter(|fields: &Vec<String>| fields.len() == 5)
        .collect();
    assert_eq!(probes.len(), PAGES.len() * WIDTHS.len(), "every page answered: {probes:?}\n{console}");
    (probes, messages)
}

#[test]
fn pages_work_from_disk_in_a_real_browser() {
    let folder = Folder::new("browser");
    let out = sample_site(&folder);
    let Some(browser) = browser_for("pages_work_from_disk_in_a_real_browser") else { return };
    let (probes, messages) = probed(browser, &folder, &out, PROBE);
    assert!(messages.is_empty(), "the console is empty: {messages:#?}");
    for probe in probes {
        let [page, width, scroll, loaded, sorted] = &probe[..] else { panic!("five fields: {probe:?}") };
        let pixels = |text: &str| text.parse::<u32>().expect("a number of pixels");
        assert!(pixels(scroll) <= pixels(width), "{page} scrolls sideways at {width}: {scroll}");
        assert_eq!(loaded, "0", "{page} loads nothing");
        let columns = sorted.parse::<u32>().unwrap_or_else(|_| panic!("{page}: a column is not in order"));
        assert!(
            columns >= if page == "probe-raft.html" { 40 } else { 0 },
            "{page}: {columns} columns sorted"
        );
    }
}

#[test]
fn pages_break_no_rule_of_axe() {
    let Some(axe) = std::env::var_os("REPORTS_AXE") else {
        eprintln!("SKIPPED pages_break_no_rule_of_axe: REPORTS_AXE does not name axe-core's axe.min.js");
        return;
    };
    let axe = fs::read_to_string(axe).expect("REPORTS_AXE names a file");
    let folder = Folder::new("axe");
    let out = sample_site(&folder);
    let Some(browser) = browser_for("pages_break_no_rule_of_axe") else { return };
    let probe = format!("<script nonce='probe'>{axe}</script>{AXE_PROBE}");
    for probe in probed(browser, &folder, &out, &probe).0 {
        let [page, width, passed, broken, told] = &probe[..] else { panic!("five fields: {probe:?}") };
        assert!(
            passed.parse::<u32>().is_ok_and(|rules| rules > 10),
            "{page} at {width}: {passed} rules passed"
        );
        assert_eq!(broken, "0", "{page} at {width}: {told}");
    }
}
