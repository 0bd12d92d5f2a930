//! The inputs that a process has run, in a file: the library keeps state from one input to the next, so that a failure
//! may need those before it.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Then the file starts anew: what fails is nearly always recent.
const MOST_BYTES: u64 = 16 << 20;

pub struct History {
    file: File,
    bytes: u64,
}

impl History {
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: File::create(path)?, bytes: 0 })
    }

    /// Notes an input before it runs.
    pub fn note(&mut self, input: &[u8]) -> std::io::Result<()> {
        if self.bytes > MOST_BYTES {
            self.file.set_len(0)?;
            std::io::Seek::rewind(&mut self.file)?;
            self.bytes = 0;
        }
        let mut entry = (input.len() as u32).to_le_bytes().to_vec();
        entry.extend_from_slice(input);
        self.bytes += entry.len() as u64;
        self.file.write_all(&entry)
    }
}

/// The inputs in a file that [`History`] has written.
pub fn read_history(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut inputs = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let Some((input, next)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        inputs.push(input.to_vec());
        rest = next;
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read() {
        let path = std::env::temp_dir().join(format!("zkalloc-history-{}", std::process::id()));
        let mut history = History::create(&path).expect("a temporary file");
        let inputs = [b"one".to_vec(), Vec::new(), vec![7; 300]];
        inputs.iter().for_each(|input| history.note(input).expect("room"));
        assert_eq!(read_history(&std::fs::read(&path).expect("the file")), inputs);
        std::fs::remove_file(&path).expect("a file of ours");
    }
}
