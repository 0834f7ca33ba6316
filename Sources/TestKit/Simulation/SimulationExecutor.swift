/// Where the tasks of one simulated process run: in the simulation's loop, in an order that its seed chose.
///
/// A task is begun with `Task(executorPreference:)`; its children inherit that, and so does what it awaits.
package final class SimulationExecutor: TaskExecutor {
    /// The simulation holds its processes until all their tasks have ended.
    private unowned let process: SimulatedProcess

    init(process: SimulatedProcess) { self.process = process }

    package func enqueue(_ job: consuming ExecutorJob) {
        process.simulation.enqueue(UnownedJob(job), of: process)
    }

    func run(_ job: UnownedJob) { job.runSynchronously(on: asUnownedTaskExecutor()) }
}
