//! Rendered files as values. What a field means is told elsewhere.

use std::{fs, io};

use serde_json::Value;

use crate::look::Look;

/// One object of a rendered file.
#[derive(Clone, Debug)]
pub struct Manifest(pub Value);

/// A rendered overlay.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Of its folder.
    pub name: String,
    /// In the order of the file.
    pub manifests: Vec<Manifest>,
    /// What is there before it is applied, such as `Secret/worker-tls`.
    pub given: Vec<String>,
}

/// A rendered file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not there.
    #[error("deploy/rendered/{0}.yaml cannot be read: {1}; expected the file that deploy/render writes")]
    Missing(String, io::Error),
    /// It is no YAML.
    #[error("deploy/rendered/{0}.yaml is no YAML: {1}")]
    NoYaml(String, String),
}

// === impl Manifest ===

impl Manifest {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.text("kind")
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.text("metadata.name")
    }

    /// Such as `Deployment/worker`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    /// Of a Deployment, what its pods are.
    pub(crate) fn pod(&self) -> Option<&Value> {
        (self.kind() == "Deployment").then(|| self.0.at("spec.template"))
    }

    /// The containers of its pods.
    pub(crate) fn containers(&self) -> &[Value] {
        self.pod().map_or(&[], |pod| pod.list("spec.containers"))
    }
}

// === impl Overlay ===

impl Overlay {
    /// Reads `deploy/rendered/NAME.yaml`.
    ///
    /// # Errors
    /// It is not there, or is no YAML.
    pub fn read(name: &str, given: &[&str]) -> Result<Self, Unreadable> {
        let path = crate::deploy().join("rendered").join(format!("{name}.yaml"));
        let text = fs::read_to_string(path).map_err(|error| Unreadable::Missing(name.into(), error))?;
        let values: Vec<Value> = serde_saphyr::from_multiple(&text)
            .map_err(|error| Unreadable::NoYaml(name.into(), error.to_string()))?;
        Ok(Self {
            name: name.into(),
            manifests: values.into_iter().map(Manifest).collect(),
            given: given.iter().map(ToString::to_string).collect(),
        })
    }

    /// All objects of a kind.
    pub fn of_kind<'a, 'kind>(
        &'a self,
        kind: &'kind str,
    ) -> impl Iterator<Item = &'a Manifest> + use<'a, 'kind> {
        self.manifests
            .iter()
            .filter(move |manifest| manifest.kind() == kind)
    }

    /// The object of that kind and name.
    #[must_use]
    pub fn find(&self, kind: &str, name: &str) -> Option<&Manifest> {
        let mut all = self.manifests.iter();
        all.find(|manifest| manifest.kind() == kind && manifest.name() == name)
    }

    /// Whether it is in the overlay or there already.
    pub(crate) fn knows(&self, kind: &str, name: &str) -> bool {
        let id = format!("{kind}/{name}");
        let made = |manifest: &&Manifest| kind == "Secret" && manifest.0.text("spec.secretName") == name;
        self.find(kind, name).is_some()
            || self.given.contains(&id)
            || self.of_kind("Certificate").any(|certificate| made(&certificate))
    }

    /// A file of a ConfigMap that a container has at a path, as TOML.
    pub(crate) fn mounted(&self, deployment: &Manifest, path: &str) -> Option<Result<toml::Table, String>> {
        let (folder, file) = path.rsplit_once('/')?;
        let container = deployment.containers().first()?;
        let mount = container
            .list("volumeMounts")
            .iter()
            .find(|mount| mount.text("mountPath") == folder)?;
        let volumes = deployment.pod()?.list("spec.volumes");
        let volume = volumes
            .iter()
            .find(|volume| volume.text("name") == mount.text("name"))?;
        let map = self.find("ConfigMap", volume.text("configMap.name"))?;
        let text = map.0.at("data").get(file)?.as_str()?;
        Some(text.parse().map_err(|error: toml::de::Error| error.to_string()))
    }
}
