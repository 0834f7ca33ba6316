-- Chat requests to demo-echo, each with the next key of the file in KEYS.
local keys, turn = {}, 0
for line in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = "Bearer " .. line end
local body = '{"model":"demo-echo","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}'
local headers = { ["content-type"] = "application/json" }

function request()
    turn = turn % #keys + 1
    headers["authorization"] = keys[turn]
    return wrk.format("POST", "/v1/chat/completions", headers, body)
end

function done(summary)
    local failed = summary.errors
    print("requests " .. summary.requests)
    print("failed " .. failed.connect + failed.read + failed.write + failed.status + failed.timeout)
end
