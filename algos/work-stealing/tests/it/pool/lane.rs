//! What of a lane's jobs thieves can take without asking, and when the owner lays out more.

use swarm_work_stealing::pool::lane::{Lane, Own, Popped};

/// A lane of eight levels on which four jobs wait.
fn lane() -> Lane<u32> {
    Lane::new(8, 4)
}

/// The side of the owner, which is this test.
fn own(lane: &Lane<u32>) -> Own<'_, u32> {
    // SAFETY: no other thread has it.
    unsafe { lane.own() }
}

/// Leaves these jobs, one upon the other, as `join` does.
fn leave(lane: &Lane<u32>, jobs: impl IntoIterator<Item = u32>) {
    for job in jobs {
        own(lane).push(job);
        own(lane).share();
    }
}

/// All jobs that can be taken.
fn taken(lane: &Lane<u32>) -> Vec<u32> {
    std::iter::from_fn(|| lane.take()).collect()
}

/// Leaves four jobs and takes the last one back.
fn one_for_nothing() -> Lane<u32> {
    let lane = lane();
    leave(&lane, 0..4);
    assert_eq!(own(&lane).pop(), Popped::Own);
    lane
}

#[test]
fn the_first_jobs_can_be_taken_at_once() {
    let lane = lane();
    leave(&lane, 0..4);
    assert_eq!(taken(&lane), [0, 1, 2, 3]);
}

#[test]
fn a_job_that_was_laid_out_for_nothing_makes_the_next_wait_for_a_request() {
    let lane = one_for_nothing();
    leave(&lane, [4]);
    assert_eq!(taken(&lane), [0, 1, 2]);
    // Who found none has asked.
    assert!(own(&lane).is_asked());
    assert!(own(&lane).share());
    assert_eq!(taken(&lane), [4]);
}

#[test]
fn the_oldest_job_can_always_be_taken_at_once() {
    let lane = lane();
    for job in 0..9 {
        leave(&lane, [job]);
        assert!(lane.has_jobs(), "job {job} is laid out");
        assert_eq!(own(&lane).pop(), Popped::Own);
    }
}

#[test]
fn after_a_request_jobs_are_laid_out_at_once_again() {
    let lane = one_for_nothing();
    lane.ask();
    assert!(own(&lane).share());
    leave(&lane, [4]);
    assert_eq!(taken(&lane), [0, 1, 2, 4]);
}

#[test]
fn after_a_job_was_taken_jobs_are_laid_out_at_once_again() {
    let lane = one_for_nothing();
    assert_eq!(lane.take(), Some(0));
    // The owner learns of it where it comes back to a job that was laid out.
    assert_eq!(own(&lane).pop(), Popped::Own);
    leave(&lane, [4, 5]);
    assert_eq!(taken(&lane), [1, 4, 5]);
}

#[test]
fn an_owner_that_comes_back_to_a_taken_job_lays_jobs_out_at_once_again() {
    let lane = one_for_nothing();
    assert_eq!(taken(&lane), [0, 1, 2]);
    for _ in 0..3 {
        assert_eq!(own(&lane).pop(), Popped::Taken);
        own(&lane).settle();
    }
    // Those who took have asked; with that answered, and nothing for nothing since.
    own(&lane).answer();
    leave(&lane, 4..8);
    assert_eq!(taken(&lane), [4, 5, 6, 7]);
}
