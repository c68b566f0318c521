-- For wrk: asks a server of tests.support.large what comes after 20 random items of 26,000.
math.randomseed(7)
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies = {}
for n = 1, 2000 do
  local ids = {}
  for i = 1, 20 do ids[i] = '"i' .. math.random(26000) .. '"' end
  bodies[n] = '{"history": [' .. table.concat(ids, ",") .. '], "k": 10}'
end
local n = 0
request = function()
  n = n % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[n])
end
