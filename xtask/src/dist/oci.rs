//! The container image, as an OCI image layout in a tar archive: what `podman load`, `docker load` and
//! `ctr images import` read.
//!
//! One layer with one file. Written by hand, since it is four JSON documents and needs no daemon.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    archive,
    file::{File, gzip},
    release::Release,
    sums::sha256,
};

/// Under this name the image is found after it was loaded; the DaemonSet asks for it.
pub(super) const NAME: &str = "localhost/tidegate";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes the image; returns where it is.
pub(super) fn write(binary: &[u8], release: &Release) -> Result<PathBuf> {
    let name = format!(
        "tidegate_{}_{}.oci.tar",
        release.version, release.architecture
    );
    let path = release.out().join(name);
    let archive = archive::tar(&layout(binary, release)?, release.epoch)?;
    fs::write(&path, archive).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The files of the layout.
fn layout(binary: &[u8], release: &Release) -> Result<Vec<File>> {
    let program = File::new("usr/bin/tidegate", binary).executable();
    let layer = archive::tar(&[program], release.epoch)?;
    let diff_id = format!("sha256:{}", sha256(&layer));
    let mut files = Vec::new();
    let layer = blob(&mut files, LAYER, gzip(&layer)?);
    let config = serde_json::to_vec(&config(&diff_id, release)?)?;
    let config = blob(&mut files, CONFIG, config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
    });
    let mut manifest = blob(&mut files, MANIFEST, serde_json::to_vec(&manifest)?);
    manifest["platform"] = json!({ "architecture": release.architecture, "os": "linux" });
    manifest["annotations"] = json!({
        "io.containerd.image.name": format!("{NAME}:{}", release.version),
        "org.opencontainers.image.ref.name": format!("{NAME}:{}", release.version),
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] });
    files.push(File::new("index.json", serde_json::to_vec(&index)?));
    files.push(File::new("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#));
    Ok(files)
}

/// How the program is run, as the Containerfile says it too.
fn config(diff_id: &str, release: &Release) -> Result<Value> {
    let created = release.date("%Y-%m-%dT%H:%M:%SZ")?;
    Ok(json!({
        "created": created,
        "architecture": release.architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/tidegate"],
            "Cmd": ["run"],
            "Labels": {
                "org.opencontainers.image.title": "tidegate",
                "org.opencontainers.image.version": release.version,
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": created, "created_by": "./x dist" }],
    }))
}

/// Puts the bytes among the blobs; returns the descriptor.
fn blob(files: &mut Vec<File>, media_type: &str, bytes: Vec<u8>) -> Value {
    let digest = sha256(&bytes);
    let descriptor = json!({
        "mediaType": media_type,
        "digest": format!("sha256:{digest}"),
        "size": bytes.len(),
    });
    files.push(File::new(format!("blobs/sha256/{digest}"), bytes));
    descriptor
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;
    use std::process::Command;

    use tidegate_rig::output_of;

    use super::*;

    type Layout = BTreeMap<String, Vec<u8>>;

    /// Unpacks an archive as a container engine would: knowing nothing of how it was made.
    fn unpack(archive: &[u8]) -> Layout {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.header().entry_type().is_file());
        let read = files.map(|mut entry| {
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            let _len = entry.read_to_end(&mut content).unwrap();
            (path, content)
        });
        read.collect()
    }

    /// Follows a descriptor, as strict as an engine is.
    fn follow<'a>(layout: &'a Layout, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = &layout[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(digest, format!("sha256:{}", sha256sum(blob)));
        assert_eq!(descriptor["size"], blob.len());
        blob
    }

    /// The digest by another program than the one that wrote it.
    fn sha256sum(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        fs::write(&path, bytes).unwrap();
        let said = output_of(Command::new("sha256sum").arg(&path)).unwrap();
        said.split(' ').next().unwrap().to_owned()
    }

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    fn image() -> Layout {
        let dir = tempfile::tempdir().unwrap();
        let release = Release::for_test(dir.path().to_owned());
        unpack(&fs::read(write(b"program", &release).unwrap()).unwrap())
    }

    #[test]
    fn every_digest_and_size_of_the_layout_is_that_of_its_blob() {
        let layout = image();
        assert_eq!(json(&layout["oci-layout"])["imageLayoutVersion"], "1.0.0");
        let index = json(&layout["index.json"]);
        let manifest = json(follow(&layout, &index["manifests"][0]));
        assert_eq!(manifest["mediaType"], MANIFEST);
        let config = json(follow(&layout, &manifest["config"]));
        let mut layer = Vec::new();
        let packed = follow(&layout, &manifest["layers"][0]);
        let _len = flate2::read::GzDecoder::new(packed)
            .read_to_end(&mut layer)
            .unwrap();
        let diff_id = format!("sha256:{}", sha256sum(&layer));
        assert_eq!(config["rootfs"]["diff_ids"], json!([diff_id]));
        let root = unpack(&layer);
        assert_eq!(
            root.into_iter().collect::<Vec<_>>(),
            [("usr/bin/tidegate".to_owned(), b"program".to_vec())]
        );
        let blobs = layout
            .keys()
            .filter(|path| path.starts_with("blobs/"))
            .count();
        assert_eq!(blobs, 3, "a blob that nothing leads to");
    }

    #[test]
    fn the_image_runs_the_program_and_says_when_and_for_what_it_was_made() {
        let layout = image();
        let index = json(&layout["index.json"]);
        let manifest = json(follow(&layout, &index["manifests"][0]));
        let config = json(follow(&layout, &manifest["config"]));
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
        assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
        let dist = crate::cargo::workspace().join(crate::dist::package::FROM);
        let containerfile = fs::read_to_string(dist.join("Containerfile")).unwrap();
        for (instruction, said) in [("ENTRYPOINT", "Entrypoint"), ("CMD", "Cmd")] {
            let line = format!("{instruction} {}\n", config["config"][said]);
            assert!(containerfile.contains(&line), "{line} in {containerfile}");
        }
    }

    #[test]
    fn the_daemon_set_asks_for_the_image_of_this_version() {
        let yaml = crate::cargo::workspace().join("docs/kubernetes/daemonset.yaml");
        let yaml = fs::read_to_string(yaml).unwrap();
        let image = format!("image: {NAME}:{}\n", env!("CARGO_PKG_VERSION"));
        let asked = yaml
            .lines()
            .filter(|line| line.trim_start().starts_with("image: "));
        for line in asked {
            assert_eq!(line.trim(), image.trim());
        }
        assert!(yaml.contains(&image), "no image in the DaemonSet");
    }
}
