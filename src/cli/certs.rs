//! `certs`: makes a certificate authority and a serving certificate, as files.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::controller::lifetime;
use super::output::Output;
use crate::certs::authority::{Authority, Lifetime, names_of};
use crate::certs::bundle::Bundle;
use crate::certs::seconds::{now, rfc3339};

pub(super) const EXAMPLES: &str = "\
Examples:
  idp-multicloud certs --out certs
  idp-multicloud certs --service my-webhook --namespace platform --out certs
  idp-multicloud certs --out certs --lifetime 90days > certs/caBundle

It writes ca.crt, ca.key, tls.crt and tls.key. If ca.crt and ca.key are
there already, only a new tls.crt and tls.key are made. What it prints is
the caBundle of the webhook configurations. Keep ca.key away from the
cluster: whoever has it can speak for the webhooks.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The Service that the API server calls
    #[arg(long, value_name = "NAME", default_value = "idp-multicloud-admission", value_parser = label)]
    service: String,
    /// Its namespace
    #[arg(long, value_name = "NAME", default_value = "idp-multicloud", value_parser = label)]
    namespace: String,
    /// The folder for the files; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How long the serving certificate lives; a new CA lives five times as long
    #[arg(long, value_name = "DURATION", default_value = "1y", value_parser = lifetime)]
    lifetime: Lifetime,
}

/// A name as Services and namespaces have it (RFC 1123).
fn label(text: &str) -> Result<String, String> {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if ends.iter().all(|end| end.is_some_and(is_end))
        && bytes.len() <= 63
        && bytes.iter().all(|byte| is_end(byte) || *byte == b'-')
    {
        Ok(text.to_owned())
    } else {
        Err("must be up to 63 of a-z, 0-9 and -, with a letter or digit at both ends".to_owned())
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Output> {
    let now = now();
    let dir = &args.out;
    fs::create_dir_all(dir).with_context(|| format!("{}: cannot make the folder", dir.display()))?;
    let [ca_cert, ca_key, cert, key] = ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(|name| dir.join(name));
    let (authority, bundle, written) = match (read(&ca_cert)?, read(&ca_key)?) {
        (Some(cert), Some(key)) => {
            let authority = Authority::read((&ca_cert, &cert), (&ca_key, &key), now)?;
            let (bundle, _) = Bundle::read(&cert, now);
            (authority, bundle, "used, as it was there")
        }
        (None, None) => {
            let (authority, issued) = Authority::make(args.lifetime, now)?;
            // Never over a file: one that has come about meanwhile is somebody's CA.
            write(&ca_key, &issued.key, SECRET, true)?;
            write(&ca_cert, &issued.cert, PUBLIC, true)?;
            let (bundle, _) = Bundle::read(issued.cert.as_bytes(), now);
            (authority, bundle, "made")
        }
        (there, _) => {
            let (there, missing) = if there.is_some() {
                (ca_cert, ca_key)
            } else {
                (ca_key, ca_cert)
            };
            bail!(
                "{}: is not there, but {} is; put it there, or give another folder for a new CA",
                missing.display(),
                there.display()
            );
        }
    };
    let names = names_of(&args.service, &args.namespace);
    let [name, ..] = &names;
    let issued = authority
        .issue(&names, args.lifetime, now)
        .with_context(|| format!("cannot issue a certificate for {name}; give a Service's name and a namespace"))?;
    // The key first: who sees the new certificate finds its key, too.
    write(&key, &issued.key, SECRET, false)?;
    write(&cert, &issued.cert, PUBLIC, false)?;
    let until = |validity: crate::certs::Validity| rfc3339(validity.not_after);
    let mut output = Output::done(base64_simd::STANDARD.encode_to_string(bundle.pem()) + "\n");
    let shown = dir.display();
    output.notes = vec![
        format!(
            "{shown}/ca.crt, ca.key: {written}; good until {}",
            until(authority.validity())
        ),
        format!(
            "{shown}/tls.crt, tls.key: made for {name}; good until {}",
            until(issued.validity)
        ),
        format!(
            "next: kubectl create secret generic my-own --namespace {} \
             --type=kubernetes.io/tls --from-file={shown}/tls.crt --from-file={shown}/tls.key --from-file={shown}/ca.crt \
             --dry-run=client -o yaml | kubectl apply -f -",
            args.namespace
        ),
        "what is printed on standard output is the caBundle of the webhook configurations".to_owned(),
    ];
    Ok(output)
}

/// Who may read a file.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// What a file holds, if it is there.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{}: cannot read", path.display())),
    }
}

/// Writes a file whole or not at all: beside it first. `new` takes no file's place.
fn write(path: &Path, text: &str, mode: u32, new: bool) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = || {
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if new {
            // A link, unlike a move, fails where there is something.
            fs::hard_link(&beside, path)?;
            fs::remove_file(&beside)
        } else {
            fs::rename(&beside, path)
        }
    };
    let written = written();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("{}: cannot write; check the folder and its permissions", path.display()))
}
