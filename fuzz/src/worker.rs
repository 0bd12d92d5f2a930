//! The second thread: frees what the first one hands over, and allocates for it, while the first goes on.
#![forbid(unsafe_code)]

use crate::library::Library;
use crate::model::Block;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::JoinHandle;

enum Job {
    Free(Vec<Block>),
    /// Sizes and seeds.
    Allocate(Vec<(usize, u64)>),
}

pub struct Worker {
    library: Library,
    running: Option<Running>,
    pending: usize,
}

struct Running {
    jobs: Sender<Job>,
    done: Receiver<Vec<Block>>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(library: Library) -> Self {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, done) = channel();
        let thread = std::thread::spawn(move || {
            for job in inbox {
                if outbox.send(work(&library, job)).is_err() {
                    return;
                }
            }
        });
        Self { jobs, done, thread }
    }
}

fn work(library: &Library, job: Job) -> Vec<Block> {
    match job {
        Job::Free(blocks) => {
            blocks.into_iter().for_each(|block| block.release(library));
            Vec::new()
        }
        Job::Allocate(wishes) => wishes
            .into_iter()
            .filter_map(|(bytes, seed)| {
                let address = library.malloc(bytes);
                (address != 0).then(|| Block::adopt(library, address, bytes, seed))
            })
            .collect(),
    }
}

impl Worker {
    pub fn new(library: Library) -> Self {
        Self { library, running: None, pending: 0 }
    }

    fn send(&mut self, job: Job) {
        let library = self.library;
        let running = self.running.get_or_insert_with(|| Running::start(library));
        running.jobs.send(job).expect("the second thread has failed");
        self.pending += 1;
    }

    pub fn free(&mut self, blocks: Vec<Block>) {
        self.send(Job::Free(blocks));
    }

    pub fn allocate(&mut self, wishes: Vec<(usize, u64)>) {
        self.send(Job::Allocate(wishes));
    }

    pub fn is_idle(&self) -> bool {
        self.pending == 0
    }

    /// Waits until everything is done. The blocks that the second thread has allocated.
    pub fn wait(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        if let Some(running) = &self.running {
            for _ in 0..self.pending {
                blocks.extend(running.done.recv().expect("the second thread has failed"));
            }
        }
        self.pending = 0;
        blocks
    }

    /// Lets the thread end; its spans are left to others. Another one starts on demand. After `wait`.
    pub fn end(&mut self) {
        if let Some(Running { jobs, done, thread }) = self.running.take() {
            drop((jobs, done));
            thread.join().expect("the second thread has failed");
        }
    }
}
