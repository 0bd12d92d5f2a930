//! Requests with an alignment, and requests that must fail.
#![forbid(unsafe_code)]

use crate::input::Input;
use crate::library::Library;
use crate::machine::Machine;
use crate::memory::{self, SPARSE_BYTES};

impl Machine {
    pub(crate) fn posix_memalign(&mut self, input: &mut Input) {
        let (align, bytes) = (input.alignment(), self.size(input));
        let mut address = 1;
        if !align.is_power_of_two() || !(8..=1 << 32).contains(&align) {
            let error = self.library.posix_memalign(&mut address, align, bytes);
            // glibc refuses the largest as too much memory.
            assert!(error == libc::EINVAL || error == libc::ENOMEM, "posix_memalign({align}): {error}");
            assert_eq!(address, 1, "posix_memalign({align}) wrote its result");
            return;
        }
        let wanted = self.is_for_arena(bytes);
        let error = self.library.posix_memalign(&mut address, align, bytes);
        assert!(
            error == 0 || error == libc::ENOMEM && bytes > SPARSE_BYTES,
            "posix_memalign({align}, {bytes}): {error}"
        );
        if error == 0 {
            assert_eq!(address % align, 0, "posix_memalign({align}, {bytes}): {address:#x}");
            self.adopt(address, bytes, wanted);
        }
    }

    pub(crate) fn aligned(&mut self, input: &mut Input, call: impl Fn(&Library, usize, usize) -> usize) {
        let (align, bytes) = (input.alignment(), self.size(input));
        let is_alignment = align.is_power_of_two() && align <= 1 << 32;
        let wanted = is_alignment && self.is_for_arena(bytes);
        let address = call(&self.library, align, bytes);
        if address == 0 && !is_alignment {
            return;
        }
        assert!(!is_alignment || address % align == 0, "alignment {align}, {bytes} bytes: {address:#x}");
        self.adopt_unless_null(address, bytes, wanted);
    }

    pub(crate) fn page_aligned(&mut self, input: &mut Input, whole: bool) {
        let bytes = self.size(input);
        let bytes = if whole { bytes.next_multiple_of(4096) } else { bytes };
        let wanted = self.is_for_arena(bytes);
        let address = if whole { self.library.pvalloc(bytes) } else { self.library.valloc(bytes) };
        assert_eq!(address % 4096, 0, "valloc or pvalloc of {bytes}: {address:#x}");
        self.adopt_unless_null(address, bytes, wanted);
    }

    /// Requests that must fail: null, ENOMEM, and the old block stays as it is.
    pub(crate) fn refuse(&mut self, input: &mut Input) {
        let bytes = input.absurd_size();
        let library = self.library;
        let old = self.blocks.pick(input.byte()).copied();
        let old_address = old.map_or(0, |block| block.address);
        for (name, call) in [
            ("malloc", &(|| library.malloc(bytes)) as &dyn Fn() -> usize),
            ("calloc", &|| library.calloc(bytes, 1)),
            ("calloc, product", &|| library.calloc(1 << 33, bytes)),
            ("realloc", &|| library.realloc(old_address, bytes)),
            ("reallocarray", &|| library.reallocarray(old_address, bytes, 1 << 33)),
            ("aligned_alloc", &|| library.aligned_alloc(4096, bytes)),
        ] {
            memory::set_errno(0);
            assert_eq!(call(), 0, "{name} of {bytes:#x} bytes");
            assert_eq!(memory::errno(), libc::ENOMEM, "{name} of {bytes:#x} bytes: errno");
        }
        if let Some(old) = old {
            old.check(&library);
        }
        // What a second thread asks for meanwhile may have been counted too.
        self.last.overflow_count = self.overflow_count();
        let _engages = self.is_for_arena(bytes);
    }
}
