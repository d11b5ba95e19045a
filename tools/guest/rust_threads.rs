// Rust's standard library at work: threads, mutex and condvar, channels with timeouts, sleep, environment, files that
// policy denies, and a small threaded TCP server. Prints "ok NAME" per check. `rust_threads serve PORT` serves lines.
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

fn check(name: &str, ok: bool) -> i32 {
    println!("{} {}", if ok { "ok" } else { "FAILED" }, name);
    !ok as i32
}

fn mutex_and_condvar() -> bool {
    let shared = Arc::new((Mutex::new(0u64), Condvar::new()));
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let s = shared.clone();
            thread::spawn(move || {
                for _ in 0..500 {
                    *s.0.lock().unwrap() += 1;
                    s.1.notify_one();
                }
            })
        })
        .collect();
    let mut n = shared.0.lock().unwrap();
    while *n < 3000 {
        n = shared.1.wait(n).unwrap();
    }
    drop(n);
    threads.into_iter().all(|t| t.join().is_ok())
}

fn condvar_timeout() -> bool {
    let (m, c) = (Mutex::new(()), Condvar::new());
    let start = Instant::now();
    let (_g, r) = c.wait_timeout(m.lock().unwrap(), Duration::from_millis(40)).unwrap();
    r.timed_out() && start.elapsed() >= Duration::from_millis(40)
}

fn channels() -> bool {
    let (tx, rx) = mpsc::channel::<u64>();
    for i in 0..4 {
        let tx = tx.clone();
        thread::spawn(move || (0..100).for_each(|k| tx.send(i * 100 + k).unwrap()));
    }
    drop(tx);
    rx.iter().sum::<u64>() == (0..400).sum()
}

fn channel_timeout() -> bool {
    let (_tx, rx) = mpsc::channel::<()>();
    let start = Instant::now();
    rx.recv_timeout(Duration::from_millis(30)) == Err(mpsc::RecvTimeoutError::Timeout)
        && start.elapsed() >= Duration::from_millis(30)
}

fn scoped_and_barrier() -> bool {
    let (barrier, count, table) = (Barrier::new(4), AtomicU64::new(0), RwLock::new(vec![0u64; 4]));
    thread::scope(|s| {
        for i in 0..4 {
            let (barrier, count, table) = (&barrier, &count, &table);
            s.spawn(move || {
                table.write().unwrap()[i] = i as u64;
                barrier.wait();
                count.fetch_add(table.read().unwrap().iter().sum(), Ordering::SeqCst);
            });
        }
    });
    count.into_inner() == 24
}

fn panics_are_caught() -> bool {
    panic::set_quiet();
    thread::spawn(|| -> () { panic!("expected") }).join().is_err()
}

mod panic {
    pub fn set_quiet() {
        std::panic::set_hook(Box::new(|_| {}));
    }
}

fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("bind");
    println!("listening");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let mut writer = stream.try_clone().expect("dup");
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if line == "quit" {
                    process::exit(0);
                }
                if writeln!(writer, "{}", line.chars().rev().collect::<String>()).is_err() {
                    return;
                }
            }
        });
    }
}

fn main() {
    let args: Vec<String> = env::args().collect();
    if args.len() == 3 && args[1] == "serve" {
        return serve(args[2].parse().expect("port"));
    }
    let mut failures = 0;
    failures += check("mutex and condvar", mutex_and_condvar());
    failures += check("condvar timeout", condvar_timeout());
    failures += check("channels", channels());
    failures += check("channel timeout", channel_timeout());
    failures += check("scoped threads, barrier, rwlock", scoped_and_barrier());
    failures += check("panic in a thread", panics_are_caught());
    let start = Instant::now();
    thread::sleep(Duration::from_millis(20));
    failures += check("sleep", start.elapsed() >= Duration::from_millis(20));
    failures += check("parallelism", thread::available_parallelism().is_ok());
    println!("env {:?}", env::var("OSVM_TEST").ok());
    println!("file {:?}", fs::read_to_string("/etc/shadow").err().map(|e| e.raw_os_error()));
    process::exit(failures);
}
