//! Debian's Chromium, driven as a person would: by what is on the page, the keyboard and the mouse.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::guard::Guarded;
use super::missing::Missing;
use super::server::SOON;

/// The version of axe-core, which judges a page by the Web Content Accessibility Guidelines.
const AXE: &str = "4.14.1";

/// Whether a page is light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub const BOTH: [Self; 2] = [Self::Light, Self::Dark];

    pub fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A browser with one page; it ends with this.
pub struct Browser {
    client: Client,
    runtime: Runtime,
    origin: String,
    _driver: Guarded,
    _profile: TempDir,
}

impl Browser {
    /// Opens the portal of the server at `origin`, such as `http://127.0.0.1:8080`.
    pub fn open(origin: &str) -> Result<Self, Missing> {
        for program in ["chromium", "chromedriver"] {
            if Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .status()
                .is_err()
            {
                return Err(Missing(format!(
                    "{program} is missing (Debian's packages chromium and chromium-driver)"
                )));
            }
        }
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        let mut driver = Guarded::spawn(&mut command);
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver says where it listens");
        // It would stop at a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let args = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-proxy-server".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            builder.capabilities(capabilities.as_object().unwrap().clone());
            builder.connect(&format!("http://127.0.0.1:{port}")).await.unwrap()
        });
        let browser = Self {
            client,
            runtime,
            origin: origin.to_owned(),
            _driver: driver,
            _profile: profile,
        };
        browser.size(1280, 900);
        browser.goto("#/request");
        Ok(browser)
    }

    fn wait<T>(&self, done: impl Future<Output = Result<T, CmdError>>) -> T {
        self.runtime.block_on(done).unwrap()
    }

    /// Goes to a view, as by a link from elsewhere.
    pub fn goto(&self, hash: &str) {
        self.wait(self.client.goto("about:blank"));
        self.wait(self.client.goto(&format!("{}/web/{hash}", self.origin)));
    }

    /// Runs a script; gives what it returns.
    pub fn run(&self, script: &str, args: Vec<Value>) -> Value {
        self.wait(self.client.execute(script, args))
    }

    /// Waits until a script returns something true; fails with what the page says.
    #[track_caller]
    pub fn until(&self, what: &str, script: &str) -> Value {
        let began = Instant::now();
        loop {
            let found = self.run(script, Vec::new());
            if found != false && !found.is_null() && found != "" {
                return found;
            }
            assert!(
                began.elapsed() < SOON,
                "still not: {what}; the page says:\n{}",
                self.text("body")
            );
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until what `selector` selects says this.
    #[track_caller]
    pub fn says(&self, selector: &str, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll({})].some((element) => element.innerText.includes({}))",
            json!(selector),
            json!(text)
        );
        self.until(&format!("{selector} says {text:?}"), &script);
    }

    /// What is to be read in the first element that `selector` selects.
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, vec![selector.into()]).as_str().unwrap().to_owned()
    }

    /// How many elements `selector` selects.
    pub fn count(&self, selector: &str) -> u64 {
        let script = "return document.querySelectorAll(arguments[0]).length";
        self.run(script, vec![selector.into()]).as_u64().unwrap()
    }

    fn find(&self, selector: &str) -> fantoccini::elements::Element {
        let found = self
            .client
            .wait()
            .at_most(SOON)
            .for_element(fantoccini::Locator::Css(selector));
        self.wait(found)
    }

    /// Clicks the first element that `selector` selects.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.wait(element.click());
    }

    /// Clicks the button or link that says this.
    pub fn press(&self, words: &str) {
        let path = format!(
            "//button[normalize-space()={0}] | //a[normalize-space()={0}]",
            json!(words)
        );
        let found = self
            .client
            .wait()
            .at_most(SOON)
            .for_element(fantoccini::Locator::XPath(&path));
        let element = self.wait(found);
        self.wait(element.click());
    }

    /// Types into a field in place of what is there.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.wait(element.clear());
        self.wait(element.send_keys(text));
    }

    /// Chooses an option of a list.
    pub fn choose(&self, selector: &str, value: &str) {
        let script = "const it = document.querySelector(arguments[0]); it.focus(); it.value = arguments[1];
            for (const event of ['input', 'change']) it.dispatchEvent(new Event(event, { bubbles: true }));
            return it.value";
        assert_eq!(
            self.run(script, vec![selector.into(), value.into()]),
            value,
            "{selector} does not offer it"
        );
    }

    /// Presses keys wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let element = self.wait(self.client.active_element());
        self.wait(element.send_keys(keys));
    }

    /// What the focus is on: its id, else its tag and text.
    pub fn focus(&self) -> String {
        let script = "const it = document.activeElement; return it.id || `${it.tagName} ${it.innerText}`.trim()";
        self.run(script, Vec::new()).as_str().unwrap().to_owned()
    }

    /// How large the page is, in CSS pixels.
    pub fn size(&self, width: u32, height: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// What the user prefers.
    pub fn theme(&self, theme: Theme) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme.word()}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.wait(self.client.issue_cmd(Extension {
            path: "goog/cdp/execute",
            body,
        }));
    }

    /// What the browser had to complain of since it was asked last: a script that failed, a policy that was broken.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.wait(self.client.issue_cmd(Extension {
            path: "se/log",
            body: json!({"type": "browser"}),
        }));
        let severe = log
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["level"] == "SEVERE");
        let messages = severe.map(|entry| entry["message"].as_str().unwrap().to_owned());
        // What the API refuses is no fault of the page.
        messages
            .filter(|message| !message.contains("the server responded with a status of 4"))
            .collect()
    }

    /// Fails if the page is wider than the window.
    #[track_caller]
    pub fn assert_fits(&self, what: &str) {
        let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(self.run(wide, Vec::new()), 0, "{what}: the page scrolls sideways");
    }

    /// Fails if axe-core finds anything.
    #[track_caller]
    pub fn assert_accessible(&self, axe: &str, what: &str) {
        self.run(axe, Vec::new());
        let script = "const done = arguments[0]; axe.run().then((found) => done(found.violations.map((one) =>
            `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(' ')}`)))";
        let found = self.wait(self.client.execute_async(script, Vec::new()));
        assert_eq!(found, json!([]), "{what}");
    }

    /// Saves a picture of the page, if there is a folder for them.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("PORTAL_PICTURES") else {
            return;
        };
        fs::create_dir_all(&folder).unwrap();
        let picture = self.wait(self.client.screenshot());
        fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}

/// A command of Chromium's own.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.body.to_string()))
    }
}

/// axe-core's script, from its npm package.
pub fn axe() -> Result<String, Missing> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let home: PathBuf = tools.join(format!("axe-core-{AXE}"));
    let script = home.join("node_modules/axe-core/axe.min.js");
    fs::create_dir_all(&home).unwrap();
    let lock = File::create(tools.join("axe-core.lock")).unwrap();
    lock.lock().unwrap();
    if !script.exists() {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ]);
        npm.arg(&home).arg(format!("axe-core@{AXE}"));
        let output = npm
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Missing(format!("npm is missing: {error}")))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Missing(format!("axe-core cannot be installed: {why}")));
        }
    }
    Ok(fs::read_to_string(script).unwrap())
}
