/// Recomputes the chain, link by link. A link that was changed breaks its own seal only: those after it still follow on
/// the seal that is kept in it, so each damage is told where it is.
package struct LinkVerification {
    private let sealer: any LedgerSealer
    private let anchor: LedgerHead?
    /// The last link that was taken, or the one before the first.
    package private(set) var last: Int64
    package private(set) var findings = LedgerFindings()
    /// Links that were looked at.
    package private(set) var count: Int64 = 0
    /// Nil when it is not known, or when the link there is not the one that was sealed.
    private var lastSeal: [UInt8]?

    /// - Parameters:
    ///   - anchor: the last link that is known from outside the database.
    ///   - start: the first link that will be taken; what is before it is not looked at.
    package init(sealer: any LedgerSealer, anchor: LedgerHead?, start: Int64 = 1) {
        self.sealer = sealer
        self.anchor = anchor
        last = start - 1
        lastSeal = start == 1 ? LedgerChain.beginning : nil
    }

    /// The chain's links, oldest first.
    package mutating func take(_ link: LinkRow) {
        count += 1
        let number = link.number
        guard number > last else {
            findings.add(.linkReplaced, [link.posting], "There is a link \(number), which is no place in a chain.")
            return
        }
        let isNext = number == last + 1
        if !isNext {
            findings.add(
                .linkMissing, [link.posting], expected: "link \(last + 1)", found: "link \(number)",
                "The chain's links from \(last + 1) to \(number - 1) are gone.")
        }
        let holds = check(link)
        if holds, isNext, let lastSeal, lastSeal != link.previous {
            findings.add(
                .linkReplaced, [link.posting],
                "Link \(number) was made after another link \(last) than the one that is there.")
        }
        if let anchor, number == anchor.number, link.seal != anchor.seal {
            findings.add(.linkReplaced, [link.posting], "Link \(number) is not the one that was anchored.")
        }
        last = number
        lastSeal = holds ? link.seal : nil
    }

    /// After the last link.
    package mutating func finish() {
        guard let anchor, anchor.number > last else { return }
        findings.add(
            .chainCut, [], expected: "\(anchor.number) links", found: "\(last) links",
            "The chain ends at link \(last), and was anchored at link \(anchor.number): its end was cut off.")
    }

    private mutating func check(_ link: LinkRow) -> Bool {
        guard let content = link.content else {
            findings.add(
                .postingMissing, [link.posting], expected: "a posting", found: "none",
                "Posting \(link.posting), which link \(link.number) of the chain is for, is not there.")
            return false
        }
        let form = LedgerChain.linkForm(number: link.number, previous: link.previous, posting: content)
        guard sealer.seal(form) == link.seal else {
            findings.add(
                .linkChanged, [link.posting], expected: "what was sealed", found: "something else",
                "Link \(link.number) of the chain, or posting \(link.posting), is not what was sealed.")
            return false
        }
        return true
    }
}
