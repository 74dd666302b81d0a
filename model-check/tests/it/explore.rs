//! The Explorer serves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use model_check::instance::Check;
use model_check::raft;

/// Asks for a path, as a browser would; waits for the server to listen first.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => thread::yield_now(),
        }
    };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

#[test]
fn an_instance_is_served_with_properties_states_and_events_that_read() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    // Serves until the process ends.
    thread::spawn(move || raft::TWO_NODES.explore(address));
    let status = get(address, "/.status");
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    for name in ["election_safety", "linearizability", "leader-elected", "leader-of-term-2"] {
        assert!(status.contains(&format!("\"{name}\"")), "{name}: {status}");
    }
    let states = get(address, "/.states/0");
    assert!(states.contains("\"action\":\"timeout n0 Election\""), "{states}");
    assert!(states.contains("n0 t1 candidate"), "{states}");
}

#[test]
fn an_address_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    assert!(raft::TWO_NODES.explore(address).is_err());
}
