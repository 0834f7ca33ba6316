import Foundation
import Gateway
import Inference
import NIOCore
import Testing

@Suite struct PassageTests {
    @Test("messages pass as they come, but for the model's name; their end is held")
    func messages() throws {
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.calls], to: DialectFixture.stream(.messages, over: .anthropic))
        let stop = DialectFixture.events("message_stop", #"{"type":"message_stop"}"#)
        #expect(text + stop == DialectStreams.calls.replacing(#""model":"up""#, with: #""model":"shown""#))
        #expect(String(buffer: stream.terminal) == stop)
        #expect(stream.usage == Usage(inputTokens: 115, outputTokens: 40, cachedTokens: 100, source: .provider))
        #expect(stream.upstreamID == "msg_1")
        #expect(stream.contentEvents == 3)
    }

    @Test("counts of the whole that come at the end stand for those of the beginning")
    func lateCounts() throws {
        let body = DialectStreams.text.replacing(
            #""usage":{"output_tokens":15}"#,
            with: #""usage":{"input_tokens":20,"cache_read_input_tokens":0,"output_tokens":15,"#
                + #""output_tokens_details":{"thinking_tokens":6}}"#)
        let (_, stream) = try DialectFixture.feed([body], to: DialectFixture.stream(.messages, over: .anthropic))
        #expect(
            stream.usage == Usage(inputTokens: 25, outputTokens: 15, reasoningTokens: 6, source: .provider))
    }

    @Test("before the upstream said its last count, there is no usage")
    func noEarlyUsage() throws {
        let early = try #require(DialectStreams.text.components(separatedBy: "event: message_delta").first)
        let (_, stream) = try DialectFixture.feed([early], to: DialectFixture.stream(.messages, over: .anthropic))
        #expect(stream.usage == nil)
        #expect(stream.likelyOutput > 0)
    }

    @Test("responses pass as they come, but for the model's name; their end is held with its usage")
    func responses() throws {
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.responses], to: DialectFixture.stream(.responses, over: .openAI))
        let wanted = DialectStreams.responses.replacing(#""model":"up""#, with: #""model":"shown""#)
        #expect(text + String(buffer: stream.terminal) == wanted)
        #expect(String(buffer: stream.terminal).hasPrefix("event: response.completed\n"))
        #expect(
            stream.usage
                == Usage(inputTokens: 5, outputTokens: 3, cachedTokens: 2, reasoningTokens: 1, source: .provider))
        #expect(stream.upstreamID == "resp_1")
        #expect(stream.contentEvents == 1)
    }

    @Test("a response that ran out of tokens is complete")
    func incomplete() throws {
        let body = DialectStreams.responses.replacing("response.completed", with: "response.incomplete")
        let (_, stream) = try DialectFixture.feed([body], to: DialectFixture.stream(.responses, over: .openAI))
        #expect(stream.isComplete)
        #expect(stream.usage?.outputTokens == 3)
    }

    @Test("without a name to show, bytes pass untouched")
    func untouched() throws {
        var form = DialectFixture.form
        form.shownModel = nil
        let (text, stream) = try DialectFixture.feed(
            [DialectStreams.responses], to: DialectFixture.stream(.responses, over: .openAI, form))
        #expect(text + String(buffer: stream.terminal) == DialectStreams.responses)
    }
}
