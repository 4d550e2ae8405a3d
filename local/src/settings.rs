//! The settings of a stack: the keys of env.example with their values. Every binary gets them as
//! its environment.

use anyhow::{Context, Result, anyhow};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The project's folder.
#[must_use]
pub fn project() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Environment variables by name. env.example lists all of them, so a key must be documented before
/// it can be used.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// The values of env.example alone. The keys that it comments out, as `#KEY=`, have an empty
    /// value, which counts as not set. Without them, binaries would take these keys from the
    /// developer's .env.
    ///
    /// # Errors
    /// Fails if the file is missing or is not a list of variables.
    pub fn example() -> Result<Self> {
        let file = project().join("env.example");
        let mut values = read(&file)?;
        let text = std::fs::read_to_string(&file)?;
        let left_out = text.lines().filter_map(|line| Some(line.strip_prefix('#')?.split_once('=')?.0)).filter(|key| is_key(key));
        for key in left_out {
            values.entry(key.to_owned()).or_default();
        }
        Ok(Self { values })
    }

    /// The developer's values. Each comes from the environment, else from .env, else from
    /// env.example. Creates .env from env.example if it does not exist.
    ///
    /// # Errors
    /// Fails if one of the files cannot be read or written.
    pub fn of_developer() -> Result<Self> {
        let (own, example) = (project().join(".env"), project().join("env.example"));
        if !own.exists() {
            std::fs::copy(&example, &own).context("cannot make .env from env.example")?;
        }
        let mut values = read(&example)?;
        values.extend(read(&own)?);
        for (key, value) in &mut values {
            if let Ok(set) = std::env::var(key) {
                *value = set;
            }
        }
        Ok(Self { values })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Fails if the key has no value. The error names the key.
    pub fn get(&self, key: &str) -> Result<&str> {
        self.values
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| anyhow!("{key} is not set: set it in .env"))
    }

    /// The value of a key as a port.
    ///
    /// # Errors
    /// Fails if the value is not a port. The error names the key.
    pub fn port(&self, key: &str) -> Result<u16> {
        parse_port(key, self.get(key)?)
    }

    /// The host and port of Temporal's frontend.
    ///
    /// # Errors
    /// Fails if `TEMPORAL_HOST_PORT` is not of the form host:port.
    pub fn temporal(&self) -> Result<(&str, u16)> {
        const KEY: &str = "TEMPORAL_HOST_PORT";
        let (host, port) = self.get(KEY)?.rsplit_once(':').ok_or_else(|| anyhow!("{KEY} is not of the form host:port"))?;
        Ok((host, parse_port(KEY, port)?))
    }

    /// The host and port of the AWS emulator.
    ///
    /// # Errors
    /// Fails if `AWS_ENDPOINT_URL` is not of the form `http://host:port`.
    pub fn emulator(&self) -> Result<(&str, u16)> {
        const KEY: &str = "AWS_ENDPOINT_URL";
        let address = self.get(KEY)?.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let (host, port) =
            address.and_then(|rest| rest.rsplit_once(':')).ok_or_else(|| anyhow!("{KEY} is not of the form http://host:port"))?;
        Ok((host, parse_port(KEY, port)?))
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.values.insert(key.to_owned(), value.to_string());
    }

    /// All keys with their values.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        self.values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

fn is_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn parse_port(key: &str, value: &str) -> Result<u16> {
    value
        .parse()
        .ok()
        .filter(|&port| port != 0)
        .ok_or_else(|| anyhow!("{key} must be a port (1 to 65535), not {value:?}: correct it in .env"))
}

fn read(file: &Path) -> Result<BTreeMap<String, String>> {
    let name = file.display();
    dotenvy::from_path_iter(file)
        .with_context(|| format!("cannot read {name}"))?
        .collect::<Result<_, _>>()
        .with_context(|| format!("{name} is not a list of KEY=value lines"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(key: &str, value: &str) -> Settings {
        let mut settings = Settings::example().unwrap();
        settings.set(key, value);
        settings
    }

    #[test]
    fn the_example_is_complete_for_local_mode() {
        let example = Settings::example().unwrap();
        assert_eq!(example.port("API_PORT").unwrap(), 8080);
        assert_eq!(example.temporal().unwrap(), ("127.0.0.1", 7233));
        assert_eq!(example.emulator().unwrap(), ("127.0.0.1", 4566));
        let queue = example.get("INTAKE_QUEUE_URL").unwrap();
        assert!(queue.starts_with(example.get("AWS_ENDPOINT_URL").unwrap()), "{queue} is not in the emulator");
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_its_key() {
        for (key, value) in [("API_PORT", "http"), ("API_PORT", "0"), ("API_PORT", "")] {
            let error = settings(key, value).port(key).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        for value in ["localhost", "127.0.0.1:x"] {
            assert!(settings("TEMPORAL_HOST_PORT", value).temporal().unwrap_err().to_string().contains("TEMPORAL_HOST_PORT"));
        }
        for value in ["127.0.0.1:4566", "http://127.0.0.1"] {
            assert!(settings("AWS_ENDPOINT_URL", value).emulator().unwrap_err().to_string().contains("AWS_ENDPOINT_URL"));
        }
    }
}
