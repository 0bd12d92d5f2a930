//! A process shaped like a consensus node: tasks that exchange buffers over local TCP, a database that keeps some of
//! them, and a pool that proves in phases, all at once. Every byte that arrives, is held or is read back is checked.
#![forbid(unsafe_code)]

use super::node_store::{self, Store};
use crate::program::{corruption, require};
use crate::random::Random;
use crate::survivor::{note_where, word, Block};
use crate::work::{phase, Pace, STEPS, THREADS};
use prover::airs::{Poseidon2KoalaBear, Statement};
use prover::digest;
use rayon::ThreadPoolBuilder;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, Sender};

/// Connections: each has a task at either end.
const PEERS: usize = 32;
const RUNTIME_THREADS: usize = 2;
const POOL_THREADS: usize = 2;
const ROWS_LOG2: u32 = 9;
const MOST_BYTES: usize = 1 << 20;
/// What a peer holds on to of what it got, across phases.
const HELD: usize = 4;
/// Buffers on their way to the database.
const QUEUE: usize = 32;

static PROOFS: AtomicU64 = AtomicU64::new(0);

/// What is sent: its first eight bytes say which pattern the rest follows.
pub struct Message(Vec<u8>);

impl Message {
    fn new(pattern: u64, bytes: usize) -> Self {
        let mut content = Vec::with_capacity(8 + bytes);
        content.extend(pattern.to_le_bytes());
        content.extend((0..bytes.div_ceil(8)).flat_map(|index| word(pattern, index).to_le_bytes()));
        content.truncate(8 + bytes);
        note_where(content.as_ptr());
        Self(content)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn pattern(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    fn check(&self, when: &str) {
        check(&self.0, when);
    }
}

/// Ends the process unless `content` is what [`Message::new`] has made.
pub fn check(content: &[u8], when: &str) {
    require(content.len() >= 8, "a message has lost its head");
    let (head, rest) = content.split_at(8);
    let mut pattern = [0; 8];
    pattern.copy_from_slice(head);
    let pattern = u64::from_le_bytes(pattern);
    for (index, found) in rest.chunks(8).enumerate() {
        let wanted = word(pattern, index).to_le_bytes();
        if found != &wanted[..found.len()] {
            let bytes = content.len();
            corruption(format_args!("{when}: message of {bytes} bytes, near byte {}: {found:x?}", 8 + 8 * index));
        }
    }
}

pub fn run(pace: Pace) -> String {
    let (sender, receiver) = mpsc::channel(QUEUE);
    THREADS.add((RUNTIME_THREADS + POOL_THREADS + 2) as u64);
    let transactions = thread::scope(|scope| {
        scope.spawn(move || prove_all(pace));
        let store = scope.spawn(move || Store::new(pace.seed).keep_all(receiver));
        network(pace, sender);
        store.join().expect("the database's thread ends")
    });
    let proofs = PROOFS.load(Ordering::Relaxed);
    let node_store::Totals { written, read } = transactions;
    format!("{proofs} proofs, {written} transactions, {read} values read back")
}

/// Proofs in phases, verified outside, and held a little; a pause now and then, in which no phase is open.
fn prove_all(pace: Pace) {
    let pool = ThreadPoolBuilder::new().num_threads(POOL_THREADS).build().expect("a pool");
    let mut held = VecDeque::with_capacity(HELD + 1);
    let mut first: Option<String> = None;
    while pace.goes_on() {
        let made =
            phase(|| pool.install(|| Poseidon2KoalaBear::prove(ROWS_LOG2)).map(|made| (made, Block::new(1 << 18))));
        let (proof, companion) = made.unwrap_or_else(|error| corruption(format_args!("no proof: {error}")));
        note_where(companion.as_ptr());
        if PROOFS.fetch_add(1, Ordering::Relaxed).is_multiple_of(4) {
            thread::sleep(Duration::from_millis(20));
        }
        held.push_back((proof, companion));
        if held.len() > HELD {
            held.pop_front();
        }
        for (proof, companion) in &held {
            companion.check("a block made with a proof");
            if let Err(error) = Poseidon2KoalaBear::verify(proof) {
                corruption(format_args!("a proof does not verify: {error}"));
            }
            let digest = digest::of(proof).map_or_else(|error| error, |fingerprint| fingerprint.sha256);
            let first = first.get_or_insert_with(|| digest.clone());
            require(digest == *first, "a proof is not the one that was proven first");
        }
    }
}

fn network(pace: Pace, store: Sender<Message>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(RUNTIME_THREADS).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a local port");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(async move {
            let mut peers = Vec::with_capacity(PEERS);
            for _ in 0..PEERS {
                let (stream, _) = listener.accept().await.expect("a peer connects");
                peers.push(tokio::spawn(answer(stream, store.clone())));
            }
            for peer in peers {
                peer.await.expect("no task panics").expect("local connections hold");
            }
        });
        let mut clients = Vec::with_capacity(PEERS);
        for number in 0..PEERS as u64 {
            let stream = TcpStream::connect(address).await.expect("the port is open");
            clients.push(tokio::spawn(ask(stream, pace, number)));
        }
        for client in clients {
            client.await.expect("no task panics").expect("local connections hold");
        }
        server.await.expect("no task panics");
    });
}

async fn send(stream: &mut TcpStream, content: &[u8]) -> io::Result<()> {
    stream.write_u32_le(content.len() as u32).await?;
    stream.write_all(content).await
}

/// None: the other end has said all.
async fn receive(stream: &mut TcpStream) -> io::Result<Option<Message>> {
    let bytes = stream.read_u32_le().await? as usize;
    if bytes == 0 {
        return Ok(None);
    }
    require(bytes <= 8 + MOST_BYTES, "a message's length has changed");
    let mut content = vec![0; bytes];
    stream.read_exact(&mut content).await?;
    note_where(content.as_ptr());
    Ok(Some(Message(content)))
}

/// Sends messages, and wants each back as it was.
async fn ask(mut stream: TcpStream, pace: Pace, number: u64) -> io::Result<()> {
    let mut random = Random::new(pace.seed ^ number << 40);
    let mut held = VecDeque::with_capacity(HELD + 1);
    while pace.goes_on() {
        let sent = Message::new(random.number(), random.size(1, MOST_BYTES));
        send(&mut stream, sent.bytes()).await?;
        let back = receive(&mut stream).await?;
        let back = back.unwrap_or_else(|| corruption(format_args!("an answer is missing")));
        back.check("came back over TCP");
        require(back.bytes() == sent.bytes(), "another message came back than was sent");
        held.push_back((sent, back));
        if held.len() > HELD {
            let (sent, back) = held.pop_front().expect("not empty");
            sent.check("held by its sender");
            back.check("held after it came back");
        }
        STEPS.add(1);
    }
    stream.write_u32_le(0).await
}

/// Checks what comes, sends it back, and hands it to the database.
async fn answer(mut stream: TcpStream, store: Sender<Message>) -> io::Result<()> {
    let mut held = VecDeque::with_capacity(HELD + 1);
    while let Some(message) = receive(&mut stream).await? {
        message.check("came over TCP");
        send(&mut stream, message.bytes()).await?;
        held.push_back(message);
        if held.len() > HELD {
            let message = held.pop_front().expect("not empty");
            message.check("held by its receiver");
            store.send(message).await.expect("the database's thread lives");
        }
    }
    Ok(())
}
