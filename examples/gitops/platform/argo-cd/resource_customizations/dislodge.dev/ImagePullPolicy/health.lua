-- Compliant with kstatus: the conditions Reconciling and Stalled are abnormal-true, observedGeneration is
-- always written, and its default is -1. It uses no library: Argo CD has none open but base and table.
local hs = { status = "Healthy", message = "The policy is carried out" }

if obj.metadata.deletionTimestamp ~= nil then
  hs.status = "Progressing"
  hs.message = "The policy is being deleted"
  return hs
end

local status = obj.status or {}
if obj.metadata.generation ~= nil and status.observedGeneration ~= nil
  and status.observedGeneration ~= obj.metadata.generation then
  hs.status = "Progressing"
  hs.message = "Dislodge has not seen this version of the policy yet"
  return hs
end

local ready = nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Reconciling" and condition.status == "True" then
    return { status = "Progressing", message = condition.message }
  end
  if condition.type == "Stalled" and condition.status == "True" then
    return { status = "Degraded", message = condition.message }
  end
  if condition.type == "Ready" and ready == nil then
    ready = condition
  end
end

if ready ~= nil then
  hs.message = ready.message
  if ready.status ~= "True" then
    hs.status = "Progressing"
  end
end
return hs
