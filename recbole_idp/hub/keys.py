"""Options of the task push."""

from recbole_idp.config.setting import Affects, Settings, setting


class PushSettings(Settings):
    """Give a pre-trained or trained folder away on the Hugging Face hub."""

    bundle: str | None = setting(None, "Folder of a bundle.", Affects.OUTPUT)
    folder: str | None = setting(None, "Another pre-trained or trained folder, in its place.", Affects.OUTPUT)
    repo: str | None = setting(None, "Repository on the hub, user/name; it is made if it is missing.", Affects.OUTPUT)
    private: bool = setting(True, "Whether the repository that is made is private.", Affects.OUTPUT)
    license: str | None = setting(None, "Licence for the model card, such as mit or cc-by-4.0.", Affects.OUTPUT)
