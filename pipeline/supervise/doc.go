// Package supervise keeps services running in the manner of Erlang/OTP's
// supervisors. A supervisor starts its children in order, restarts failed ones
// according to a strategy, gives up when failures are too frequent, and stops
// its children in reverse order.
//
// It differs from OTP where Go or practice requires it:
//
//   - Failed children restart after a growing back-off, and no other child
//     waits for it. OTP restarts at once, so a child that cannot start uses up
//     the restart intensity within milliseconds.
//   - A supervisor never blocks on a child. Commands return at once while
//     children start, stop or hang, even when a child issues them.
//   - A goroutine cannot be killed. A child that ignores the end of its context
//     is reported as stuck, with its stack, and a policy decides what follows:
//     see [OnStuck]. There is no brutal_kill.
//   - When failures are too frequent, a child can be parked instead of ending
//     the supervisor: see [OnBreach].
//   - A child disabled by an operator stays down when its group or supervisor
//     restarts. A child that was only stopped restarts with its group, as in
//     OTP.
package supervise
