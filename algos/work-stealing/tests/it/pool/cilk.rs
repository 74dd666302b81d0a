//! Programs that come with Cilk, each of which knows its result.

use swarm_work_stealing::{Context, Scope, join, scope};

use super::pools;

fn fib(context: Context<'_>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = context.join(|context| fib(context, n - 1), |context| fib(context, n - 2));
    a + b
}

#[test]
fn fib_of_22_is_17_711() {
    for pool in pools() {
        assert_eq!(pool.install_context(|context| fib(context, 22)), 17_711);
    }
}

/// The number of ways to put queens on the rows that are left, where bits say which columns and diagonals are
/// under attack.
fn queens(all: u32, columns: u32, left: u32, right: u32) -> u32 {
    fn each(all: u32, free: u32, columns: u32, left: u32, right: u32) -> u32 {
        if free == 0 {
            return 0;
        }
        let place = free & free.wrapping_neg();
        let rest = free ^ place;
        let (a, b) = join(
            || queens(all, columns | place, (left | place) << 1, (right | place) >> 1),
            || each(all, rest, columns, left, right),
        );
        a + b
    }
    if columns == all {
        return 1;
    }
    each(all, all & !(columns | left | right), columns, left, right)
}

#[test]
fn queens_stand_in_as_many_ways_as_is_known() {
    for pool in pools() {
        for (n, ways) in [(1, 1), (4, 2), (6, 4), (8, 92), (9, 352)] {
            assert_eq!(pool.install(|| queens((1 << n) - 1, 0, 0, 0)), ways);
        }
    }
}

/// A square matrix, row by row.
type Matrix = Vec<u64>;

fn matrix(n: usize, seed: u64) -> Matrix {
    let mut random = seed;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 32
    };
    (0..n * n).map(|_| next()).collect()
}

fn product(a: &Matrix, b: &Matrix, n: usize) -> Matrix {
    let cell = |i: usize, j: usize| {
        (0..n).fold(0, |sum: u64, k| sum.wrapping_add(a[i * n + k].wrapping_mul(b[k * n + j])))
    };
    (0..n * n).map(|place| cell(place / n, place % n)).collect()
}

#[test]
fn matmul_by_halves_of_the_rows_gives_the_plain_product() {
    const N: usize = 48;
    fn rows(context: Context<'_>, a: &[u64], b: &Matrix, out: &mut [u64]) {
        if out.len() == N {
            for (j, out) in out.iter_mut().enumerate() {
                *out = (0..N).fold(0, |sum, k| sum.wrapping_add(a[k].wrapping_mul(b[k * N + j])));
            }
            return;
        }
        let middle = out.len() / N / 2 * N;
        let (a_high, a_low) = a.split_at(middle);
        let (out_high, out_low) = out.split_at_mut(middle);
        context
            .join(|context| rows(context, a_high, b, out_high), |context| rows(context, a_low, b, out_low));
    }
    let (a, b) = (matrix(N, 1), matrix(N, 2));
    let expected = product(&a, &b, N);
    for pool in pools() {
        let mut out = vec![0; N * N];
        pool.install_context(|context| rows(context, &a, &b, &mut out));
        assert_eq!(out, expected);
    }
}

/// Strassen's product, with seven products of halves each, by the scheme of Winograd's textbook form.
fn strassen(a: &Matrix, b: &Matrix, n: usize) -> Matrix {
    if n <= 8 {
        return product(a, b, n);
    }
    let half = n / 2;
    let part = |m: &Matrix, i: usize, j: usize| -> Matrix {
        (0..half * half).map(|at| m[(i * half + at / half) * n + j * half + at % half]).collect()
    };
    let add =
        |x: &Matrix, y: &Matrix| -> Matrix { x.iter().zip(y).map(|(x, y)| x.wrapping_add(*y)).collect() };
    let sub =
        |x: &Matrix, y: &Matrix| -> Matrix { x.iter().zip(y).map(|(x, y)| x.wrapping_sub(*y)).collect() };
    let [a11, a12, a21, a22] = [part(a, 0, 0), part(a, 0, 1), part(a, 1, 0), part(a, 1, 1)];
    let [b11, b12, b21, b22] = [part(b, 0, 0), part(b, 0, 1), part(b, 1, 0), part(b, 1, 1)];
    let mut m: [Matrix; 7] = Default::default();
    let [m1, m2, m3, m4, m5, m6, m7] = &mut m;
    scope(|scope| {
        scope.spawn(|_| *m1 = strassen(&add(&a11, &a22), &add(&b11, &b22), half));
        scope.spawn(|_| *m2 = strassen(&add(&a21, &a22), &b11, half));
        scope.spawn(|_| *m3 = strassen(&a11, &sub(&b12, &b22), half));
        scope.spawn(|_| *m4 = strassen(&a22, &sub(&b21, &b11), half));
        scope.spawn(|_| *m5 = strassen(&add(&a11, &a12), &b22, half));
        scope.spawn(|_| *m6 = strassen(&sub(&a21, &a11), &add(&b11, &b12), half));
        *m7 = strassen(&sub(&a12, &a22), &add(&b21, &b22), half);
    });
    let [m1, m2, m3, m4, m5, m6, m7] = &m;
    let c = [[add(&sub(&add(m1, m4), m5), m7), add(m3, m5)], [add(m2, m4), add(&add(&sub(m1, m2), m3), m6)]];
    (0..n * n)
        .map(|at| (at / n, at % n))
        .map(|(i, j)| c[i / half][j / half][i % half * half + j % half])
        .collect()
}

#[test]
fn strassen_gives_the_plain_product() {
    let (a, b) = (matrix(64, 3), matrix(64, 4));
    let expected = product(&a, &b, 64);
    for pool in pools() {
        assert_eq!(pool.install(|| strassen(&a, &b, 64)), expected);
    }
}

/// Sorts by quarters, which are merged in parallel.
fn cilksort(list: &mut [u64], buffer: &mut [u64]) {
    if list.len() <= 16 {
        list.sort_unstable();
        return;
    }
    let middle = list.len() / 2;
    let (low, high) = list.split_at_mut(middle);
    let (buffer_low, buffer_high) = buffer.split_at_mut(middle);
    join(|| cilksort(low, buffer_low), || cilksort(high, buffer_high));
    merge(low, high, buffer);
    list.copy_from_slice(buffer);
}

fn merge(a: &[u64], b: &[u64], out: &mut [u64]) {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    if long.len() <= 16 {
        let (mut long, mut short) = (long.iter().peekable(), short.iter().peekable());
        for out in out {
            let from = if short.peek().is_none_or(|s| long.peek().is_some_and(|l| l <= s)) {
                &mut long
            } else {
                &mut short
            };
            *out = *from.next().expect("as many as there is room for");
        }
        return;
    }
    let (long_low, long_high) = long.split_at(long.len() / 2);
    let (short_low, short_high) = short.split_at(short.partition_point(|value| value < &long_high[0]));
    let (out_low, out_high) = out.split_at_mut(long_low.len() + short_low.len());
    join(|| merge(long_low, short_low, out_low), || merge(long_high, short_high, out_high));
}

#[test]
fn cilksort_sorts() {
    let list = matrix(150, 5);
    let mut expected = list.clone();
    expected.sort_unstable();
    for pool in pools() {
        let mut list = list.clone();
        let mut buffer = vec![0; list.len()];
        pool.install(|| cilksort(&mut list, &mut buffer));
        assert_eq!(list, expected);
    }
}

#[test]
fn heat_spreads_as_it_does_row_after_row() {
    const N: usize = 60;
    /// One step of Jacobi's iteration, from `first` on; the border stays as it is.
    fn step(before: &[f64], after: &mut [f64], first: usize) {
        for (row, after) in after.chunks_mut(N).enumerate() {
            let row = first + row;
            for (column, cell) in after.iter_mut().enumerate() {
                let at = |row: usize, column: usize| before[row * N + column];
                let border = row == 0 || row == N - 1 || column == 0 || column == N - 1;
                *cell = if border {
                    at(row, column)
                } else {
                    (at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1))
                        / 4.0
                };
            }
        }
    }
    fn spread<'a>(scope: &Scope<'a>, before: &'a [f64], after: &'a mut [f64], first: usize) {
        let rows = after.len() / N;
        if rows <= 4 {
            return step(before, after, first);
        }
        let (high, low) = after.split_at_mut(rows / 2 * N);
        scope.spawn(move |scope| spread(scope, before, low, first + rows / 2));
        spread(scope, before, high, first);
    }
    let begin: Vec<f64> =
        (0..N * N).map(|at| if at < N { 100.0 } else { f64::from(at as u32 % 7) }).collect();
    let mut expected = begin.clone();
    for _ in 0..20 {
        let before = expected.clone();
        step(&before, &mut expected, 0);
    }
    for pool in pools() {
        let mut now = begin.clone();
        for _ in 0..20 {
            let before = now.clone();
            pool.scope(|scope| spread(scope, &before, &mut now, 0));
        }
        assert_eq!(now, expected);
    }
}
