//! The embedded store's disk is full or read-only, or its file may grow no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients::no_prlimit;
use crate::support::cluster::apiserver::run as run_program;
use crate::support::disk;
use crate::support::missing::Missing;
use crate::support::rest::{Rest, database, name_of};
use crate::support::server::{Server, eventually, on};
use crate::table::{self, Phases};
use crate::writers::{Attempt, Kind};
use crate::{Fault, Form};

pub const FAULTS: &[Fault<Disk>] = &[
    Fault {
        name: "disk_full",
        what: "embedded store: disk full, 20 s",
        seen: "creates: 503, is there room on the disk; reading goes on",
        short: false,
        may: &[503],
        felt: true,
        strike: full,
        missing: disk::missing,
    },
    Fault {
        name: "file_as_large_as_it_may_be",
        what: "embedded store: file limit (`ulimit -f`) reached, 20 s",
        seen: "creates: 503, is there room on the disk; reading goes on",
        short: true,
        may: &[503],
        felt: true,
        strike: limited,
        missing: || disk::missing().or_else(no_prlimit),
    },
    Fault {
        name: READ_ONLY,
        what: "embedded store: read-only, as the disk met an error; repaired 20 s later",
        seen: "503, for reading too, until it is repaired",
        short: false,
        may: &[503],
        felt: true,
        strike: read_only,
        missing: || disk::missing().or_else(no_ext4),
    },
];

const READ_ONLY: &str = "disk_read_only";

/// Why no file system can be made that becomes read-only by an error.
fn no_ext4() -> Option<Missing> {
    if Command::new("mkfs.ext4").arg("-V").output().is_err() {
        return Some(Missing("mkfs.ext4 is not here: install e2fsprogs".to_owned()));
    }
    let loops = Path::new("/dev/loop-control").exists();
    (!loops).then(|| Missing("no file can be mounted as a disk here: there are no loop devices".to_owned()))
}

/// How large the disk is, in MiB.
const SIZE: usize = 64;

/// How many write at a time.
const WRITERS: usize = 20;

/// A server with its claims on a small disk.
pub struct Disk {
    server: Server,
    folder: TempDir,
    /// Those who only read are refused, too, as they may be.
    unreadable: Arc<AtomicBool>,
}

impl Disk {
    fn start(fault: &Fault<Self>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = match fault.name {
            READ_ONLY => {
                let image = folder.path().join("image");
                fs::File::create(&image).unwrap().set_len((SIZE as u64) << 20).unwrap();
                shell(&format!("mkfs.ext4 -q -e remount-ro {}", image.display()));
                disk::mounted(folder.path(), &mount_of(&image))
            }
            _ => disk::with(folder.path(), SIZE),
        };
        let mut command = on(program, &["off", "127.0.0.1:0", "127.0.0.1:0"]);
        let store = format!("embedded:{}", folder.path().join("claims.redb").display());
        command.args(["--log", "error", "--store", &store]);
        Self {
            server: Server::run(command),
            folder,
            unreadable: Arc::default(),
        }
    }

    fn await_storing(&self) {
        eventually("it stores again", || {
            let asked = self.rest().post("/api/mysql", &database("orders", "again", json!({})));
            asked.status == 201
        });
    }

    fn rest(&self) -> Rest {
        Rest {
            address: self.server.api().unwrap(),
            token: None,
        }
    }
}

/// What `mount` takes for a file that is a disk.
fn mount_of(image: &Path) -> String {
    format!("-o loop {}", image.display())
}

fn shell(script: &str) -> String {
    let mut sh = Command::new("sh");
    sh.args(["-c", script]);
    run_program(sh, "").ok()
}

fn full(disk: &mut Disk, form: Form) {
    let filler = disk::fill(&disk.server, disk.folder.path(), SIZE);
    form.wait(Duration::from_secs(2), Duration::from_secs(20));
    fs::remove_file(filler).unwrap();
    disk.await_storing();
}

fn limited(disk: &mut Disk, form: Form) {
    let file = disk::seen(&disk.server, &disk.folder.path().join("claims.redb"));
    let id = disk.server.id().to_string();
    let limit = |most: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &id, &format!("--fsize={most}:unlimited")]);
        run_program(prlimit, "").ok();
    };
    limit(&fs::metadata(file).unwrap().len().to_string());
    form.wait(Duration::from_secs(2), Duration::from_secs(20));
    assert_eq!(disk.server.ended(), None, "wanted: it goes on; saw: ended");
    limit("unlimited");
    disk.await_storing();
}

fn read_only(disk: &mut Disk, form: Form) {
    let folder = disk.folder.path();
    let image = folder.join("image");
    let device = shell(&format!(
        "losetup --noheadings --output NAME --associated {}",
        image.display()
    ));
    let device = device.trim().strip_prefix("/dev/").unwrap();
    disk.unreadable.store(true, Ordering::Relaxed);
    fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    form.wait(Duration::from_secs(2), Duration::from_secs(20));
    // As an operator does it: nothing has to be ended, as the store has closed its file.
    let where_it_is = format!("nsenter --mount --target {}", disk.server.id());
    shell(&format!("{where_it_is} umount {}", folder.display()));
    // It tells by 1 that there was something to repair.
    shell(&format!("e2fsck -p {} || test $? = 1", image.display()));
    shell(&format!(
        "{where_it_is} mount {} {}",
        mount_of(&image),
        folder.display()
    ));
    disk.await_storing();
    disk.unreadable.store(false, Ordering::Relaxed);
}

/// Breaks the disk while people create claims by REST.
pub fn run(fault: &Fault<Disk>, form: Form) {
    let mut disk = Disk::start(fault);
    let rest = disk.rest();
    let unreadable = Arc::clone(&disk.unreadable);
    let writers = Writers::default();
    let phases = thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| writers.write(&rest));
        }
        scope.spawn(|| writers.read(&rest, &unreadable));
        let began = Instant::now();
        thread::sleep(form.calm());
        let broken = Instant::now();
        let struck = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (fault.strike)(&mut disk, form)));
        let mended = Instant::now();
        thread::sleep(form.calm());
        writers.stop.store(true, Ordering::Relaxed);
        struck.unwrap();
        Phases { began, broken, mended }
    });
    let claims = writers.assert_kept(&rest);
    assert!(!disk.server.stderr().contains("panicked"), "{}", disk.server.stderr());
    let attempts = writers.attempts.into_inner().unwrap();
    table::conclude(fault, form, &phases, &attempts, claims);
}

/// They create claims, and keep what they were answered.
#[derive(Default)]
struct Writers {
    stop: AtomicBool,
    next: AtomicUsize,
    attempts: Mutex<Vec<Attempt>>,
    acknowledged: Mutex<BTreeMap<String, Value>>,
}

impl Writers {
    fn write(&self, rest: &Rest) {
        while !self.stop.load(Ordering::Relaxed) {
            let name = format!("db-{}", self.next.fetch_add(1, Ordering::Relaxed));
            let began = Instant::now();
            let told = rest.post("/api/mysql", &database("orders", &name, json!({})));
            let acknowledged = told.status == 201;
            self.attempts.lock().unwrap().push(Attempt {
                kind: Kind::Create,
                began,
                ended: Instant::now(),
                code: told.status,
                said: told.body["detail"].to_string(),
                acknowledged,
            });
            if acknowledged {
                self.acknowledged.lock().unwrap().insert(name, told.body);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whoever only reads is not held up, as long as it can be read.
    fn read(&self, rest: &Rest, unreadable: &AtomicBool) {
        while !self.stop.load(Ordering::Relaxed) {
            let told = rest.get("/api/mysql?limit=1");
            // Asked before the answer is judged: it may be mended in between, not broken.
            if told.status != 503 || !unreadable.load(Ordering::Relaxed) {
                told.is(200);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Fails unless what was acknowledged is there as it was, and all that is there is placed; gives how many there are.
    fn assert_kept(&self, rest: &Rest) -> usize {
        let listed = rest.pages("limit=1000").into_iter().flatten();
        let listed: BTreeMap<String, Value> = listed.map(|claim| (name_of(&claim), claim)).collect();
        for (name, claim) in &listed {
            assert_eq!(
                (&claim["stage"], &claim["provider"]),
                (&json!("placed"), &json!("aws")),
                "{name}: {claim}"
            );
        }
        for (name, created) in self.acknowledged.lock().unwrap().iter() {
            let listed = listed.get(name).unwrap_or_else(|| panic!("{name} is lost"));
            assert_eq!(listed["provider"], created["placement"]["provider"], "{name}: {listed}");
        }
        listed.len()
    }
}
