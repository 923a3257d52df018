//! An allocator that counts what one thread asks of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Hands everything to the system's allocator.
pub struct Counting;

static WATCHED: AtomicI32 = AtomicI32::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Watches the thread of this process with that name from now on, having proved that it counts.
pub fn watch(thread: &str) {
    let control = std::thread::Builder::new().name("control".into()).spawn(|| {
        watch_one("control");
        drop(std::hint::black_box(Box::new(1)));
    });
    control
        .expect("a thread")
        .join()
        .expect("the control thread is found");
    assert!(count() >= 2, "nothing is counted");
    watch_one(thread);
    COUNT.store(0, Ordering::SeqCst);
}

fn watch_one(thread: &str) {
    let tasks = std::fs::read_dir("/proc/self/task").expect("proc is mounted");
    let named = tasks.flatten().find(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == thread)
    });
    let id = named.expect("the thread runs").file_name();
    let id = id.to_str().and_then(|id| id.parse().ok()).expect("a number");
    WATCHED.store(id, Ordering::SeqCst);
}

/// Allocations and frees of the watched thread so far: a block that is freed waits for the allocator's lock as well.
pub fn count() -> u64 {
    COUNT.load(Ordering::SeqCst)
}

fn note() {
    // SAFETY: it has no arguments and cannot fail.
    if unsafe { libc::gettid() } == WATCHED.load(Ordering::Relaxed) {
        COUNT.fetch_add(1, Ordering::SeqCst);
    }
}

// SAFETY: hands everything to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
