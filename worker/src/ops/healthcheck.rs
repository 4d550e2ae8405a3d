//! `worker healthcheck`: asks the worker on this machine for its health. A container's health check
//! runs this command, so that the image needs no other program.

use crate::config;
use anyhow::{Context, bail};
use platform::http::Client;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

/// The time limit for the answer. It is shorter than the time that container runtimes give a check.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Returns status 0 if the worker is healthy. Otherwise returns status 1 and prints a line on
/// standard error.
pub async fn run(settings: config::Healthcheck) -> ExitCode {
    match check_health(&settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn check_health(settings: &config::Healthcheck) -> anyhow::Result<()> {
    let url = format!("http://{}/health/{}", connect_address(settings.port.address()), if settings.ready { "ready" } else { "live" });
    let http = Client::new(ANSWER_TIMEOUT, ANSWER_TIMEOUT, MAX_ANSWER_BYTES);
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, http.get(&url)).await.with_context(|| format!("{url} did not answer"))?;
    let answer = answer.with_context(|| format!("{url} did not answer"))?;
    if answer.status != 200 {
        bail!("{url} answered {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

/// The address to connect to. A server can listen on all addresses, but a client connects to one.
fn connect_address(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        one => one,
    };
    SocketAddr::new(host, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_on_all_addresses_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(connect_address(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
