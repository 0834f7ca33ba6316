/// The walls of one request. Mostly there is one, which lies in it: only more need memory of their own.
package struct SpendingWalls: Sendable, Hashable, RandomAccessCollection {
    private var one: SpendingDemand.Wall?
    private var others: [SpendingDemand.Wall] = []

    package init(_ walls: [SpendingDemand.Wall] = []) {
        for wall in walls { append(wall) }
    }

    package mutating func append(_ wall: SpendingDemand.Wall) {
        if one == nil { one = wall } else { others.append(wall) }
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { one == nil ? 0 : 1 + others.count }

    package subscript(place: Int) -> SpendingDemand.Wall {
        if place == 0, let one { return one }
        return others[place - 1]
    }
}
