-- wrk's script: the arguments are header fields, "Name: value"; at the end it prints its figures as one line of JSON.

function init(arguments)
    for _, field in ipairs(arguments) do
        local name, value = field:match("^(.-): (.*)$")
        wrk.headers[name] = value
    end
end

function done(summary, latency)
    local errors = summary.errors
    local line = '\n{"seconds": %.6f, "requests": %d, "size": %.0f, "p50": %.6f, "p99": %.6f, "refused": %d, "failed": %d}\n'
    io.write(line:format(
        summary.duration / 1e6,
        summary.requests,
        summary.bytes,
        latency:percentile(50) / 1e6,
        latency:percentile(99) / 1e6,
        errors.status,
        errors.connect + errors.read + errors.write + errors.timeout
    ))
end
