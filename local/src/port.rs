//! TCP ports: finding free ones for a stack, and a clear error if a wanted port is in use.

use anyhow::{Result, bail};
use std::{
    net::{TcpListener, ToSocketAddrs},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The first port to try. The range is below the ephemeral ports, which the system gives to
/// outgoing connections (from 32768 on Linux). Otherwise an outgoing connection could take a
/// server's port while that server is down between two starts.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// Finds a port of this machine on which nothing listens. A process never gets the same port twice.
///
/// # Errors
/// Fails if there is no free port.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that look for ports at the same time begin at different ports.
    let start = process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if let Ok(port) = u16::try_from(FIRST + offset)
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}

/// Checks that nothing listens on a port.
///
/// # Errors
/// Fails if the port cannot be used. The error is one line for the user that names the port and the
/// setting to change.
pub fn ensure_free(host: &str, port: u16, setting: &str) -> Result<()> {
    let Some(address) = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        bail!("{host} is not an address of this machine: change the host in .env");
    };
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!("port {port} is in use: set {setting} in .env"),
        Err(error) => bail!("port {port} cannot be used ({error}): set {setting} in .env"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = ensure_free("127.0.0.1", port, "API_PORT").unwrap_err().to_string();
        assert_eq!(error, format!("port {port} is in use: set API_PORT in .env"));
    }

    #[test]
    fn free_ports_differ() {
        let (one, other) = (free().unwrap(), free().unwrap());
        assert_ne!(one, other);
        ensure_free("127.0.0.1", one, "API_PORT").unwrap();
    }
}
